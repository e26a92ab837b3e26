package main

import (
	"bytes"
	_ "embed" // the page
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"log"
	"net/http"
	"slices"
	"strings"
	"time"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// view is what the page shows.
type view struct {
	Audience    string // whom the access token is for
	Notice      notice
	SignedIn    bool
	Refreshable bool
	Name        string
	Facts       []fact // of UserInfo
	Scopes      []string
	Issued      string
	Expires     string
	IDToken     string
	UserInfo    string
	AccessToken string
}

// fact is one claim in words.
type fact struct{ Name, Value string }

// home shows who is signed in.
func (a *app) home(w http.ResponseWriter, r *http.Request) {
	v := a.visitors.of(w, r)
	v.mu.Lock()
	shown := view{Notice: v.notice}
	v.notice = notice{}
	if v.person != nil {
		shown.know(v.person)
	}
	v.mu.Unlock()
	var text bytes.Buffer
	if err := page.Execute(&text, shown); err != nil {
		log.Print(err)
		http.Error(w, "The page is broken.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(text.Bytes())
}

// know puts a person on the page.
func (s *view) know(p *person) {
	s.SignedIn = true
	s.Refreshable = p.tokens.RefreshToken != ""
	s.Name, _ = p.userInfo["name"].(string)
	for _, claim := range [][2]string{{"preferred_username", "Username"}, {"email", "E-mail"}, {"locale", "Language"}, {"zoneinfo", "Time zone"}, {"birthdate", "Born"}, {"sub", "Subject"}} {
		if value, ok := p.userInfo[claim[0]].(string); ok && value != "" {
			s.Facts = append(s.Facts, fact{claim[1], value})
		}
	}
	granted, _ := p.tokens.Extra("scope").(string)
	s.Scopes = strings.Fields(granted)
	slices.Sort(s.Scopes)
	access := payload(p.tokens.AccessToken)
	if at, ok := access["iat"].(float64); ok {
		s.Issued = time.Unix(int64(at), 0).Format("15:04:05")
	}
	s.Audience = audience(access["aud"])
	s.Expires = p.tokens.Expiry.Format("15:04:05")
	s.IDToken, s.UserInfo, s.AccessToken = pretty(p.claims), pretty(p.userInfo), pretty(access)
}

// audience is one or more recipients as text (RFC 7519 §4.1.3).
func audience(aud any) string {
	if all, ok := aud.([]any); ok {
		names := make([]string, len(all))
		for i, name := range all {
			names[i] = fmt.Sprint(name)
		}
		return strings.Join(names, ", ")
	}
	name, _ := aud.(string)
	return name
}

func pretty(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false) // the template escapes
	if err := e.Encode(v); err != nil {
		return fmt.Sprint(v)
	}
	return strings.TrimSpace(b.String())
}

// payload decodes the claims of a JWT to show them. An application should not look
// into access tokens, which are the API's affair; this one is a demonstration.
func payload(token string) map[string]any {
	claims := map[string]any{}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return claims
	}
	if b, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil {
		_ = json.Unmarshal(b, &claims)
	}
	return claims
}

package main

import (
	"context"
	"crypto/rand"
	"embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

type config struct{ Listen, Issuer, ClientID, ClientSecret, API string }

func (c config) base() string { return "http://" + c.Listen + "/" }

// visitor is one browser: who signed in, and the sign-in that it may have begun.
type visitor struct {
	mu       sync.Mutex
	state    string
	nonce    string
	verifier string
	tokens   *oauth2.Token
	idToken  string
	claims   map[string]any // of the ID token
	userInfo map[string]any
	notice   string
	seen     time.Time
}

type app struct {
	config config

	mu       sync.Mutex
	visitors map[string]*visitor
	provider *oidc.Provider
}

func newApp(c config) *app { return &app{config: c, visitors: map[string]*visitor{}} }

func (a *app) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.home)
	mux.HandleFunc("POST /sign-in", a.signIn)
	mux.HandleFunc("GET /callback", a.callback)
	mux.HandleFunc("POST /call", a.call)
	mux.HandleFunc("POST /refresh", a.refresh)
	mux.HandleFunc("POST /sign-off", a.signOff)
	mux.HandleFunc("POST /backchannel-logout", a.backchannelLogout)
	return headers(mux)
}

// headers keeps the pages to themselves.
func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'")
		if r.Method == http.MethodPost && r.Header.Get("Sec-Fetch-Site") == "cross-site" {
			http.Error(w, "Only this site's own buttons may do that.", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

const (
	cookieName  = "demo"
	maxVisitors = 1000
)

// visitor finds the browser by its cookie, or gives it one.
func (a *app) visitor(w http.ResponseWriter, r *http.Request) *visitor {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c, err := r.Cookie(cookieName); err == nil {
		if v := a.visitors[c.Value]; v != nil {
			v.seen = time.Now()
			return v
		}
	}
	if len(a.visitors) >= maxVisitors {
		oldest := ""
		for id, v := range a.visitors {
			if oldest == "" || v.seen.Before(a.visitors[oldest].seen) {
				oldest = id
			}
		}
		delete(a.visitors, oldest)
	}
	return a.newVisitor(w)
}

// newVisitor draws a new cookie. The caller holds the lock.
func (a *app) newVisitor(w http.ResponseWriter) *visitor {
	id := rand.Text()
	v := &visitor{seen: time.Now()}
	a.visitors[id] = v
	http.SetCookie(w, &http.Cookie{Name: cookieName, Value: id, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	return v
}

// client is the OAuth client. The metadata is read when it is first needed, so that
// the demo may start before the authorization server.
func (a *app) client(ctx context.Context) (*oauth2.Config, *oidc.Provider, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.provider == nil {
		p, err := oidc.NewProvider(ctx, a.config.Issuer)
		if err != nil {
			return nil, nil, err
		}
		a.provider = p
	}
	return &oauth2.Config{
		ClientID: a.config.ClientID, ClientSecret: a.config.ClientSecret,
		RedirectURL: a.config.base() + "callback",
		Endpoint:    a.provider.Endpoint(),
		Scopes:      []string{oidc.ScopeOpenID, "profile", "email", oidc.ScopeOfflineAccess, "orders:read"},
	}, a.provider, nil
}

//go:embed page.html
var files embed.FS

var page = template.Must(template.ParseFS(files, "page.html"))

func (a *app) home(w http.ResponseWriter, r *http.Request) {
	v := a.visitor(w, r)
	v.mu.Lock()
	defer v.mu.Unlock()
	data := map[string]any{"API": a.config.API, "Notice": v.notice, "SignedIn": v.tokens != nil}
	v.notice = ""
	if v.tokens != nil {
		data["Claims"], data["UserInfo"] = pretty(v.claims), pretty(v.userInfo)
		data["Name"], _ = v.userInfo["name"].(string)
		data["AccessToken"] = decoded(v.tokens.AccessToken)
		data["Expires"] = v.tokens.Expiry.Format("15:04:05")
		data["Refreshable"] = v.tokens.RefreshToken != ""
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := page.Execute(w, data); err != nil {
		log.Print(err)
	}
}

func (a *app) signIn(w http.ResponseWriter, r *http.Request) {
	oauth, _, err := a.client(r.Context())
	if err != nil {
		a.fail(w, r, "The authorization server does not answer: "+err.Error())
		return
	}
	v := a.visitor(w, r)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.state, v.nonce, v.verifier = rand.Text(), rand.Text(), oauth2.GenerateVerifier()
	http.Redirect(w, r, oauth.AuthCodeURL(v.state, oidc.Nonce(v.nonce), oauth2.S256ChallengeOption(v.verifier)), http.StatusSeeOther)
}

func (a *app) callback(w http.ResponseWriter, r *http.Request) {
	v := a.visitor(w, r)
	v.mu.Lock()
	state, nonce, verifier := v.state, v.nonce, v.verifier
	v.state = ""
	v.mu.Unlock()
	q := r.URL.Query()
	switch {
	case state == "" || q.Get("state") != state:
		a.fail(w, r, "This answer does not belong to a sign-in that began here.")
		return
	case q.Get("iss") != "" && q.Get("iss") != a.config.Issuer:
		a.fail(w, r, "This answer is another authorization server's.")
		return
	case q.Get("error") != "":
		a.fail(w, r, "Not signed in: "+q.Get("error")+". "+q.Get("error_description"))
		return
	}
	oauth, provider, err := a.client(r.Context())
	if err != nil {
		a.fail(w, r, "The authorization server does not answer: "+err.Error())
		return
	}
	tokens, err := oauth.Exchange(r.Context(), q.Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		a.fail(w, r, "The code was not accepted: "+err.Error())
		return
	}
	signedIn := &visitor{tokens: tokens, notice: "You are signed in."}
	if err := signedIn.learn(r.Context(), provider, a.config.ClientID, nonce); err != nil {
		a.fail(w, r, "The ID token is not good: "+err.Error())
		return
	}
	if info, err := provider.UserInfo(r.Context(), oauth2.StaticTokenSource(tokens)); err == nil {
		_ = info.Claims(&signedIn.userInfo)
	}
	a.mu.Lock() // signing in gives the browser a new cookie
	fresh := a.newVisitor(w)
	a.mu.Unlock()
	fresh.mu.Lock()
	fresh.tokens, fresh.idToken, fresh.claims = signedIn.tokens, signedIn.idToken, signedIn.claims
	fresh.userInfo, fresh.notice = signedIn.userInfo, signedIn.notice
	fresh.mu.Unlock()
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// learn verifies the ID token that came with the tokens.
func (v *visitor) learn(ctx context.Context, provider *oidc.Provider, clientID, nonce string) error {
	raw, _ := v.tokens.Extra("id_token").(string)
	token, err := provider.Verifier(&oidc.Config{ClientID: clientID}).Verify(ctx, raw)
	if err != nil {
		return err
	}
	if nonce != "" && token.Nonce != nonce {
		return errors.New("its nonce is another sign-in's")
	}
	v.idToken = raw
	return token.Claims(&v.claims)
}

// call asks the protected API.
func (a *app) call(w http.ResponseWriter, r *http.Request) {
	v := a.visitor(w, r)
	v.mu.Lock()
	defer v.mu.Unlock()
	defer http.Redirect(w, r, "/", http.StatusSeeOther)
	if v.tokens == nil {
		v.notice = "Sign in first."
		return
	}
	req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, a.config.API, nil)
	if err != nil {
		v.notice = err.Error()
		return
	}
	v.tokens.SetAuthHeader(req)
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		v.notice = "The API does not answer: " + err.Error()
		return
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(answer.Body, 4096))
	v.notice = fmt.Sprintf("The API says: %s %s", answer.Status, strings.TrimSpace(string(body)))
}

// refresh exchanges the refresh token.
func (a *app) refresh(w http.ResponseWriter, r *http.Request) {
	v := a.visitor(w, r)
	v.mu.Lock()
	defer v.mu.Unlock()
	defer http.Redirect(w, r, "/", http.StatusSeeOther)
	if v.tokens == nil || v.tokens.RefreshToken == "" {
		v.notice = "There is no refresh token."
		return
	}
	oauth, provider, err := a.client(r.Context())
	if err != nil {
		v.notice = "The authorization server does not answer: " + err.Error()
		return
	}
	tokens, err := oauth.TokenSource(r.Context(), &oauth2.Token{RefreshToken: v.tokens.RefreshToken}).Token()
	if err != nil {
		v.tokens, v.notice = nil, "The refresh token is no longer good: sign in again."
		return
	}
	v.tokens, v.notice = tokens, "The tokens are new."
	if err := v.learn(r.Context(), provider, a.config.ClientID, ""); err != nil {
		v.tokens, v.notice = nil, "The new ID token is not good: "+err.Error()
	}
}

// signOff forgets the tokens and has the authorization server end the session.
func (a *app) signOff(w http.ResponseWriter, r *http.Request) {
	_, provider, err := a.client(r.Context())
	if err != nil {
		a.fail(w, r, "The authorization server does not answer: "+err.Error())
		return
	}
	var metadata struct {
		EndSession string `json:"end_session_endpoint"`
	}
	if err := provider.Claims(&metadata); err != nil || metadata.EndSession == "" {
		a.fail(w, r, "The authorization server has no sign-off.")
		return
	}
	v := a.visitor(w, r)
	v.mu.Lock()
	q := url.Values{"id_token_hint": {v.idToken}, "post_logout_redirect_uri": {a.config.base()}}
	v.tokens, v.idToken, v.claims, v.userInfo, v.notice = nil, "", nil, nil, "You are signed off."
	v.mu.Unlock()
	http.Redirect(w, r, metadata.EndSession+"?"+q.Encode(), http.StatusSeeOther)
}

// backchannelLogout forgets a session that ended elsewhere (OIDC Back-Channel
// Logout 1.0 §2.5–2.7).
func (a *app) backchannelLogout(w http.ResponseWriter, r *http.Request) {
	_, provider, err := a.client(r.Context())
	if err != nil {
		http.Error(w, "not now", http.StatusServiceUnavailable)
		return
	}
	token, err := provider.Verifier(&oidc.Config{ClientID: a.config.ClientID}).Verify(r.Context(), r.PostFormValue("logout_token"))
	var claims struct {
		SID    string                     `json:"sid"`
		Nonce  string                     `json:"nonce"`
		Events map[string]json.RawMessage `json:"events"`
	}
	if err == nil {
		err = token.Claims(&claims)
	}
	if _, ok := claims.Events["http://schemas.openid.net/event/backchannel-logout"]; err != nil || !ok || claims.Nonce != "" || claims.SID == "" {
		http.Error(w, "not a logout token", http.StatusBadRequest)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, v := range a.visitors {
		v.mu.Lock()
		if v.claims["sid"] == claims.SID {
			v.tokens, v.idToken, v.claims, v.userInfo, v.notice = nil, "", nil, nil, "Your session was ended."
		}
		v.mu.Unlock()
	}
}

// fail says what went wrong on the home page.
func (a *app) fail(w http.ResponseWriter, r *http.Request, notice string) {
	v := a.visitor(w, r)
	v.mu.Lock()
	v.notice = notice
	v.mu.Unlock()
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func pretty(v any) string {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return ""
	}
	return string(b)
}

// decoded shows the claims of a JWT, or that it is opaque.
func decoded(token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "(opaque)"
	}
	claims := map[string]any{}
	if b, err := base64url(parts[1]); err != nil || json.Unmarshal(b, &claims) != nil {
		return "(unreadable)"
	}
	return pretty(claims)
}

func base64url(s string) ([]byte, error) { return base64.RawURLEncoding.DecodeString(s) }

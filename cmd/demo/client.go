package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// client is this application as the authorization server knows it.
type client struct {
	config config

	mu       sync.Mutex
	provider *oidc.Provider // nil until its metadata has been read
}

// outbound makes every request to others.
var outbound = &http.Client{Timeout: 10 * time.Second}

// reach gives the client with the server's metadata, which is read when it is first
// needed: the demo may start before the authorization server. The context that comes back
// is the one to ask the server with.
func (c *client) reach(ctx context.Context) (context.Context, *oauth2.Config, *oidc.Provider, error) {
	ctx = oidc.ClientContext(ctx, outbound)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.provider == nil {
		p, err := oidc.NewProvider(ctx, c.config.Issuer)
		if err != nil {
			return nil, nil, nil, err
		}
		c.provider = p
	}
	return ctx, &oauth2.Config{
		ClientID: c.config.ClientID, ClientSecret: c.config.ClientSecret,
		RedirectURL: c.config.base() + "callback",
		Endpoint:    c.provider.Endpoint(),
		Scopes:      []string{oidc.ScopeOpenID, "profile", "email", oidc.ScopeOfflineAccess, "orders:read"},
	}, c.provider, nil
}

// redeem exchanges a code and verifies who signed in (OIDC Core §3.1.3).
func (c *client) redeem(ctx context.Context, code string, a attempt) (*person, error) {
	ctx, oauth, provider, err := c.reach(ctx)
	if err != nil {
		return nil, err
	}
	tokens, err := oauth.Exchange(ctx, code, oauth2.VerifierOption(a.verifier))
	if err != nil {
		return nil, err
	}
	p := &person{}
	if err := c.learn(ctx, p, tokens, a.nonce); err != nil {
		return nil, err
	}
	info, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(tokens))
	if err != nil {
		return nil, err
	}
	if info.Subject != p.claims["sub"] { // OIDC Core §5.3.2
		return nil, errors.New("UserInfo is about somebody else")
	}
	return p, info.Claims(&p.userInfo)
}

// refresh exchanges the refresh token for new tokens of the same person (OIDC Core §12.2).
func (c *client) refresh(ctx context.Context, p *person) error {
	ctx, oauth, _, err := c.reach(ctx)
	if err != nil {
		return err
	}
	tokens, err := oauth.TokenSource(ctx, &oauth2.Token{RefreshToken: p.tokens.RefreshToken}).Token()
	if err != nil {
		return err
	}
	subject := p.claims["sub"]
	fresh := &person{}
	if err := c.learn(ctx, fresh, tokens, ""); err != nil {
		return err
	}
	if fresh.claims["sub"] != subject {
		return errors.New("the new ID token is about somebody else")
	}
	p.tokens, p.idToken, p.claims = fresh.tokens, fresh.idToken, fresh.claims
	return nil
}

// learn verifies the ID token that came with tokens. nonce is empty for a refresh.
func (c *client) learn(ctx context.Context, p *person, tokens *oauth2.Token, nonce string) error {
	_, _, provider, err := c.reach(ctx)
	if err != nil {
		return err
	}
	raw, _ := tokens.Extra("id_token").(string)
	token, err := provider.Verifier(&oidc.Config{ClientID: c.config.ClientID}).Verify(ctx, raw)
	if err != nil {
		return err
	}
	if nonce != "" && token.Nonce != nonce {
		return errors.New("the ID token has the nonce of another sign-in")
	}
	p.tokens, p.idToken = tokens, raw
	return token.Claims(&p.claims)
}

// endSession is the address where people sign off (OIDC RP-Initiated Logout §2.1).
func (c *client) endSession(ctx context.Context) (string, error) {
	_, _, provider, err := c.reach(ctx)
	if err != nil {
		return "", err
	}
	var metadata struct {
		EndSession string `json:"end_session_endpoint"`
	}
	if err := provider.Claims(&metadata); err != nil || metadata.EndSession == "" {
		return "", errors.New("the authorization server has no sign-off")
	}
	return metadata.EndSession, nil
}

// ended is the session that a logout token says has ended (OIDC Back-Channel Logout §2.6).
func (c *client) ended(ctx context.Context, logoutToken string) (sid string, err error) {
	ctx, _, provider, err := c.reach(ctx)
	if err != nil {
		return "", err
	}
	token, err := provider.Verifier(&oidc.Config{ClientID: c.config.ClientID}).Verify(ctx, logoutToken)
	if err != nil {
		return "", err
	}
	var claims struct {
		SID    string                     `json:"sid"`
		Nonce  *string                    `json:"nonce"`
		Events map[string]json.RawMessage `json:"events"`
	}
	if err := token.Claims(&claims); err != nil {
		return "", err
	}
	_, ok := claims.Events["http://schemas.openid.net/event/backchannel-logout"]
	if !ok || claims.Nonce != nil || claims.SID == "" {
		return "", errors.New("not a logout token")
	}
	return claims.SID, nil
}

package integration_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// TestGoOIDC signs in with github.com/coreos/go-oidc and golang.org/x/oauth2: code and PKCE,
// UserInfo, refresh, logout token. What they verify is what is sent.
func TestGoOIDC(t *testing.T) {
	onEach(t, func(t *testing.T, store backend) {
		p := startParty(t, store)
		ctx := oidc.ClientContext(t.Context(), p.libraries())
		provider, err := oidc.NewProvider(ctx, p.vars["ISSUER"])
		if err != nil {
			t.Fatalf("discovery: %v", err)
		}
		for _, client := range []struct {
			id, secret string
			style      oauth2.AuthStyle
		}{
			{"party-basic", partySecret, oauth2.AuthStyleInHeader},
			{"party-consent", partySecret, oauth2.AuthStyleInParams},
			{"party-public", "", oauth2.AuthStyleInParams},
		} {
			t.Run(client.id, func(t *testing.T) {
				app := &goOIDC{ctx: ctx, provider: provider, config: &oauth2.Config{
					ClientID: client.id, ClientSecret: client.secret, Endpoint: provider.Endpoint(),
					RedirectURL: p.app.base + "/callback", Scopes: []string{oidc.ScopeOpenID, "profile", "email", oidc.ScopeOfflineAccess, "orders:read"},
				}}
				app.config.Endpoint.AuthStyle = client.style
				app.journey(t, p)
				if client.id == "party-basic" {
					app.signOff(t, p)
				}
			})
		}
	})
}

// goOIDC is an application written with go-oidc as its documentation shows.
type goOIDC struct {
	ctx      context.Context
	provider *oidc.Provider
	config   *oauth2.Config
}

func (app *goOIDC) journey(t *testing.T, p *partyNode) {
	state, nonce, verifier := random(), random(), oauth2.GenerateVerifier()
	a := newAgent(t, p.node)
	came := a.signOnAlice(app.config.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier))).Query()
	if came.Get("state") != state || came.Get("iss") != p.vars["ISSUER"] {
		t.Fatalf("state, iss = %q, %q, want the request's and the issuer", came.Get("state"), came.Get("iss"))
	}

	// A code without its verifier is refused, in words that the library understands.
	stolen := newAgent(t, p.node).signOnAlice(app.config.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier))).Query()
	_, err := app.config.Exchange(app.ctx, stolen.Get("code"), oauth2.VerifierOption(oauth2.GenerateVerifier()))
	if refused := new(oauth2.RetrieveError); !errors.As(err, &refused) || refused.ErrorCode != "invalid_grant" {
		t.Errorf("exchange with another verifier: %v, want invalid_grant", err)
	}

	tokens, err := app.config.Exchange(app.ctx, came.Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatalf("exchange: %v", err)
	}
	first := app.verify(t, p, tokens)
	if first.Nonce != nonce {
		t.Errorf("nonce = %q, want the request's", first.Nonce)
	}
	if tokens.RefreshToken == "" {
		t.Fatal("no refresh token, though offline_access was granted")
	}
	app.userInfo(t, tokens, first.Subject)
	if a := p.call(t, "gate", "/", tokens.AccessToken); a.status != http.StatusOK {
		t.Errorf("the gate: %d %s, want 200", a.status, a.challenge())
	}

	// The library refreshes a token that is out of date by itself.
	old := *tokens
	old.Expiry = old.Expiry.Add(-old.Expiry.Sub(first.IssuedAt) * 2)
	fresh, err := app.config.TokenSource(app.ctx, &old).Token()
	if err != nil {
		t.Fatalf("refresh: %v", err)
	}
	second := app.verify(t, p, fresh)
	if second.Subject != first.Subject || second.Nonce != "" && second.Nonce != nonce {
		t.Errorf("sub, nonce after the refresh = %q, %q, want %q and no other nonce", second.Subject, second.Nonce, first.Subject)
	}
	if fresh.AccessToken == tokens.AccessToken || fresh.RefreshToken == tokens.RefreshToken {
		t.Error("a token stayed the same over the refresh")
	}
	app.userInfo(t, fresh, first.Subject)

	// A replay ends everything.
	if _, err := app.config.TokenSource(app.ctx, &old).Token(); err == nil {
		t.Error("a refresh token was exchanged twice")
	}
	for name, token := range map[string]string{"first": tokens.AccessToken, "second": fresh.AccessToken} {
		if a := p.call(t, "gate", "/", token); a.status != http.StatusUnauthorized {
			t.Errorf("the %s access token after the replay: %d, want 401", name, a.status)
		}
	}
}

// signOff ends the session in the browser, and has the library verify the logout token.
func (app *goOIDC) signOff(t *testing.T, p *partyNode) {
	t.Helper()
	verifier, a := oauth2.GenerateVerifier(), newAgent(t, p.node)
	came := a.signOnAlice(app.config.AuthCodeURL(random(), oauth2.S256ChallengeOption(verifier))).Query()
	tokens, err := app.config.Exchange(app.ctx, came.Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatalf("exchange: %v", err)
	}
	id := app.verify(t, p, tokens)
	raw, _ := tokens.Extra("id_token").(string)
	var said struct {
		Session string `json:"sid"`
	}
	if err := id.Claims(&said); err != nil || said.Session == "" {
		t.Fatalf("sid of the ID token = %q, %v, want one", said.Session, err)
	}

	var metadata struct {
		EndSession string `json:"end_session_endpoint"`
	}
	if err := app.provider.Claims(&metadata); err != nil {
		t.Fatal(err)
	}
	back := p.app.base + "/bye"
	a.visit(metadata.EndSession + "?" + url.Values{"id_token_hint": {raw}, "post_logout_redirect_uri": {back}, "state": {"bye"}}.Encode())
	if a.at.String() != back+"?state=bye" {
		t.Errorf("after sign-off the browser is at %s, want %s with the state", place(a.at), back)
	}
	check := app.provider.VerifierContext(app.ctx, &oidc.Config{ClientID: app.config.ClientID})
	told, err := check.VerifyLogout(app.ctx, p.logoutToken(t))
	if err != nil {
		t.Fatalf("logout token: %v", err)
	}
	if told.Subject != id.Subject || told.SessionID != said.Session || len(told.Audience) != 1 {
		t.Errorf("logout token: sub, sid, aud = %q, %q, %q, want %q, %q and this client alone", told.Subject, told.SessionID, told.Audience, id.Subject, said.Session)
	}
	if _, err := check.VerifyLogout(app.ctx, raw); err == nil {
		t.Error("the library takes an ID token for a logout token")
	}
	if a := p.call(t, "gate", "/", tokens.AccessToken); a.status != http.StatusUnauthorized {
		t.Errorf("the gate after sign-off: %d, want 401", a.status)
	}
}

// verify has the library verify the ID token and its at_hash.
func (app *goOIDC) verify(t *testing.T, p *partyNode, tokens *oauth2.Token) *oidc.IDToken {
	t.Helper()
	raw, _ := tokens.Extra("id_token").(string)
	p.secret("an access token", tokens.AccessToken)
	p.secret("a refresh token", tokens.RefreshToken)
	p.secret("an ID token", raw)
	id, err := app.provider.VerifierContext(app.ctx, &oidc.Config{ClientID: app.config.ClientID}).Verify(app.ctx, raw)
	if err != nil {
		t.Fatalf("ID token: %v", err)
	}
	if err := id.VerifyAccessToken(tokens.AccessToken); err != nil {
		t.Errorf("at_hash: %v", err)
	}
	return id
}

func (app *goOIDC) userInfo(t *testing.T, tokens *oauth2.Token, subject string) {
	t.Helper()
	info, err := app.provider.UserInfo(app.ctx, oauth2.StaticTokenSource(tokens))
	if err != nil {
		t.Errorf("UserInfo: %v", err)
		return
	}
	if info.Subject != subject || info.Email != "alice@example.com" {
		t.Errorf("UserInfo: sub, email = %q, %q, want %q and alice's", info.Subject, info.Email, subject)
	}
}

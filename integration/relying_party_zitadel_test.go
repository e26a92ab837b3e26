package integration_test

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	zitadel "github.com/zitadel/oidc/v3/pkg/client"
	"github.com/zitadel/oidc/v3/pkg/client/rp"
	httphelper "github.com/zitadel/oidc/v3/pkg/http"
	"github.com/zitadel/oidc/v3/pkg/oidc"
)

// TestZitadel signs in with the relying party of github.com/zitadel/oidc: its handlers
// begin and finish the sign-on, with PKCE; UserInfo, refresh, revocation and end of the session.
func TestZitadel(t *testing.T) {
	onEach(t, func(t *testing.T, store backend) {
		// The library's assertions have a list of two audiences, the issuer and the token endpoint.
		p := startParty(t, store, "compat assertion_audience_endpoint")
		t.Run("client_secret_post", func(t *testing.T) { newZitadel(t, p, "post", "party-post", partySecret).journey(t, p) })
		t.Run("private_key_jwt", func(t *testing.T) {
			key := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(rsaKey("party"))})
			newZitadel(t, p, "key", "party-key", "", rp.WithJWTProfile(rp.SignerFromKeyAndKeyID(key, partyKeyID))).journey(t, p)
		})
	})
}

// zitadelParty is an application made of the library's handlers.
type zitadelParty struct {
	rp.RelyingParty
	login string // where a person begins
	ctx   context.Context

	mu     sync.Mutex
	tokens *oidc.Tokens[*oidc.IDTokenClaims]
	info   *oidc.UserInfo
	failed string
}

func newZitadel(t *testing.T, p *partyNode, name, id, secret string, options ...rp.Option) *zitadelParty {
	t.Helper()
	z := &zitadelParty{login: p.home + "/" + name + "/login", ctx: t.Context()}
	// 127.0.0.1 over http, so that its cookies cannot be Secure.
	cookies := httphelper.NewCookieHandler([]byte(random() + "0123456789")[:32], []byte(random() + "0123456789")[:32], httphelper.WithUnsecure())
	callback := p.home + "/" + name + "/callback"
	fail := func(w http.ResponseWriter, _ *http.Request, what, description, _ string) {
		z.mu.Lock()
		defer z.mu.Unlock()
		z.failed = what + " " + description
		http.Error(w, "refused", http.StatusUnauthorized)
	}
	var err error
	z.RelyingParty, err = rp.NewRelyingPartyOIDC(t.Context(), p.vars["ISSUER"], id, secret, callback,
		[]string{oidc.ScopeOpenID, oidc.ScopeProfile, oidc.ScopeEmail, oidc.ScopeOfflineAccess, "orders:read"},
		append(options, rp.WithHTTPClient(p.libraries()), rp.WithPKCE(cookies), rp.WithCookieHandler(cookies), rp.WithSigningAlgsFromDiscovery(),
			rp.WithVerifierOpts(rp.WithIssuedAtMaxAge(time.Minute), rp.WithIssuedAtOffset(5*time.Second)),
			rp.WithErrorHandler(fail),
			rp.WithUnauthorizedHandler(func(w http.ResponseWriter, r *http.Request, description, state string) {
				fail(w, r, "unauthorized", description, state)
			}))...)
	if err != nil {
		t.Fatalf("discovery: %v", err)
	}
	p.own.Handle("/"+name+"/login", rp.AuthURLHandler(random, z.RelyingParty))
	p.own.Handle("/"+name+"/callback", rp.CodeExchangeHandler(rp.UserinfoCallback(z.arrived), z.RelyingParty))
	return z
}

func (z *zitadelParty) arrived(w http.ResponseWriter, _ *http.Request, tokens *oidc.Tokens[*oidc.IDTokenClaims], _ string, _ rp.RelyingParty, info *oidc.UserInfo) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.tokens, z.info = tokens, info
	w.WriteHeader(http.StatusNoContent)
}

func (z *zitadelParty) journey(t *testing.T, p *partyNode) {
	a := newAgent(t, p.node)
	a.signOnAlice(z.login)
	z.mu.Lock()
	defer z.mu.Unlock()
	if a.status != http.StatusNoContent || z.tokens == nil {
		t.Fatalf("the library's callback: %d %s, want tokens", a.status, z.failed)
	}
	first := z.keep(p, z.tokens)
	if first.IDTokenClaims.Subject == "" || z.info.Subject != first.IDTokenClaims.Subject || z.info.Email != "alice@example.com" {
		t.Errorf("sub, UserInfo = %q, %+v, want the same person and her address", first.IDTokenClaims.Subject, z.info)
	}
	// It verifies what is there; at_hash must be.
	if first.IDTokenClaims.AccessTokenHash == "" || first.IDTokenClaims.GetAuthorizedParty() != "" && first.IDTokenClaims.GetAuthorizedParty() != z.OAuthConfig().ClientID {
		t.Errorf("at_hash, azp = %q, %q, want a hash and no other party", first.IDTokenClaims.AccessTokenHash, first.IDTokenClaims.GetAuthorizedParty())
	}
	if got := p.call(t, "gate", "/", first.AccessToken); got.status != http.StatusOK {
		t.Errorf("the gate: %d %s, want 200", got.status, got.challenge())
	}

	assertion, kind := z.assertion(t)
	fresh, err := rp.RefreshTokens[*oidc.IDTokenClaims](z.ctx, z.RelyingParty, first.RefreshToken, assertion, kind)
	if err != nil {
		t.Fatalf("refresh: %v", err)
	}
	second := z.keep(p, fresh)
	if second.IDTokenClaims == nil || second.IDTokenClaims.Subject != first.IDTokenClaims.Subject {
		t.Errorf("ID token after the refresh = %+v, want the same person's", second.IDTokenClaims)
	}
	info, err := rp.Userinfo[*oidc.UserInfo](z.ctx, second.AccessToken, second.TokenType, second.IDTokenClaims.Subject, z.RelyingParty)
	if err != nil || info.Email != "alice@example.com" {
		t.Errorf("UserInfo with the new token = %+v, %v, want alice's address", info, err)
	}

	if assertion == "" { // it cannot send an assertion with a revocation
		if err := rp.RevokeToken(z.ctx, z.RelyingParty, first.AccessToken, "access_token"); err != nil {
			t.Errorf("revocation: %v", err)
		}
		if got := p.call(t, "gate", "/", first.AccessToken); got.status != http.StatusUnauthorized {
			t.Errorf("the gate with the revoked token: %d, want 401", got.status)
		}
	}
	z.endSession(t, p, a, second)
}

// endSession is RP-initiated logout: the library makes the request, and the browser goes
// where it leads.
func (z *zitadelParty) endSession(t *testing.T, p *partyNode, a *agent, tokens *oidc.Tokens[*oidc.IDTokenClaims]) {
	t.Helper()
	// The library sends the request by itself; with the browser's cookies it is the browser's.
	browser := *z.HttpClient()
	browser.Jar = a.client.Jar
	state := random()
	back, err := rp.EndSession(z.ctx, endSessionCaller{z.RelyingParty, &browser}, tokens.IDToken, p.home+"/bye", state, "", nil)
	if err != nil {
		t.Fatalf("end of the session: %v", err)
	}
	if back == nil || !strings.HasPrefix(back.String(), p.home+"/bye?") || back.Query().Get("state") != state {
		t.Errorf("after the end of the session: %v, want %s/bye with the state", back, p.home)
	}
	a.visit(rp.AuthURL(random(), z.RelyingParty, func() rp.AuthURLOpt { return rp.WithCodeChallenge(oidc.NewSHACodeChallenge(random())) }()))
	if !a.has("password") {
		t.Errorf("after the end of the session the browser is at %s, want the sign-on page", place(a.at))
	}
	if got := p.call(t, "gate", "/", tokens.AccessToken); got.status != http.StatusUnauthorized {
		t.Errorf("the gate after the end of the session: %d, want 401", got.status)
	}
	assertion, kind := z.assertion(t)
	if _, err := rp.RefreshTokens[*oidc.IDTokenClaims](z.ctx, z.RelyingParty, tokens.RefreshToken, assertion, kind); err == nil {
		t.Error("a refresh after the end of the session succeeded")
	}
}

// endSessionCaller is the relying party with the browser's cookies.
type endSessionCaller struct {
	rp.RelyingParty
	client *http.Client
}

func (c endSessionCaller) HttpClient() *http.Client { return c.client }

// assertion is a client assertion as the library makes them, where the client has a key.
func (z *zitadelParty) assertion(t *testing.T) (assertion, kind string) {
	t.Helper()
	if z.Signer() == nil {
		return "", ""
	}
	assertion, err := zitadel.SignedJWTProfileAssertion(z.OAuthConfig().ClientID, []string{z.Issuer()}, time.Minute, z.Signer())
	if err != nil {
		t.Fatal(err)
	}
	return assertion, oidc.ClientAssertionTypeJWTAssertion
}

func (z *zitadelParty) keep(p *partyNode, tokens *oidc.Tokens[*oidc.IDTokenClaims]) *oidc.Tokens[*oidc.IDTokenClaims] {
	p.secret("an access token", tokens.AccessToken)
	p.secret("a refresh token", tokens.RefreshToken)
	p.secret("an ID token", tokens.IDToken)
	return tokens
}

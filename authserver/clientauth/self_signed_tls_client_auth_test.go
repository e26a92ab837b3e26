package clientauth_test

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/clientauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/fetch"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/mtls"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

// TestSelfSignedByJWKSURI: a client that publishes its keys may take another certificate without telling anybody
// (RFC 8705 §2.2): one that is unknown has the keys read again, not too often.
func TestSelfSignedByJWKSURI(t *testing.T) {
	first, second := generated(t), generated(t)
	var asked atomic.Int32
	var down atomic.Bool
	var published atomic.Pointer[jose.SigningKey]
	published.Store(first)
	site := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		if down.Load() {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(testkit.JWKS(t, published.Load()))
	}))
	defer site.Close()
	outbound, err := fetch.NewClient(fetch.Options{CA: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: site.Certificate().Raw})})
	if err != nil {
		t.Fatal(err)
	}
	defer outbound.Close()
	d, err := declared.New(declared.Config{Environments: []declared.Environment{{
		Name: "e", ID: env, Issuer: issuer,
		Applications: []declared.Application{
			{ClientID: "one", Type: "service", AuthMethod: oauth.AuthSelfSignedTLS, JWKSURI: site.URL + "/one"},
			{ClientID: "two", Type: "service", AuthMethod: oauth.AuthSelfSignedTLS, JWKSURI: site.URL + "/two"},
		},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	e, err := d.EnvironmentByID(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	clock := testkit.NewClock(noon)
	sources := &clientauth.KeySources{Client: outbound, Now: clock.Now}
	defer sources.Close()
	var presented *mtls.Certificate
	var unreadable error
	a := &clientauth.Authenticator{
		Directory: d, Spent: spendable{}, Keys: sources, Now: clock.Now,
		Certificate: func(*http.Request) (*mtls.Certificate, error) { return presented, unreadable },
	}
	try := func(client string, key *jose.SigningKey) string {
		t.Helper()
		presented = nil
		if key != nil {
			presented = &mtls.Certificate{Leaf: certificateOf(t, key)}
		}
		r, form := request(t, url.Values{"client_id": {client}})
		if _, err := a.Client(r, form, e, "token"); err != nil {
			return oauth.From(err).Code
		}
		return "ok"
	}
	for range 3 {
		if got := try("one", first); got != "ok" {
			t.Fatalf("the published key: %s", got)
		}
	}
	if got := asked.Load(); got != 1 {
		t.Errorf("the key set was fetched %d times, want once", got)
	}
	if got := try("one", second); got != oauth.CodeInvalidClient {
		t.Errorf("an unknown key: %s, want invalid_client", got)
	}
	if got := try("one", nil); got != oauth.CodeInvalidClient {
		t.Errorf("no certificate: %s, want invalid_client", got)
	}
	before := asked.Load()
	for range 20 {
		try("one", second)
	}
	if got := asked.Load() - before; got > 1 {
		t.Errorf("twenty unknown certificates caused %d fetches, want one at most", got)
	}
	published.Store(second)
	clock.Advance(time.Minute)
	if got := try("one", second); got != "ok" {
		t.Errorf("a new key that is published: %s, want ok", got)
	}
	if got := try("one", first); got != oauth.CodeInvalidClient {
		t.Errorf("a key that is published no more: %s, want invalid_client", got)
	}
	down.Store(true)
	if got := try("two", second); got != oauth.CodeTemporarilyUnavailable {
		t.Errorf("with its server down: %s, want temporarily_unavailable", got)
	}
	if got := try("one", second); got != "ok" {
		t.Errorf("with its server down and keys known: %s, want ok", got)
	}
	unreadable = errors.New("not a certificate")
	if got := try("one", second); got != oauth.CodeInvalidClient {
		t.Errorf("a certificate that cannot be read: %s, want invalid_client", got)
	}
	a.Certificate = nil
	if got := try("one", second); got != oauth.CodeInvalidClient {
		t.Errorf("where nobody reads certificates: %s, want invalid_client", got)
	}
}

func generated(t testing.TB) *jose.SigningKey {
	t.Helper()
	key, err := jose.GenerateSigningKey(jose.ES256, 0)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func certificateOf(t testing.TB, key *jose.SigningKey) *x509.Certificate {
	t.Helper()
	der, err := key.Certificate(noon)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

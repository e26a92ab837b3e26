package clientauth_test

import (
	"context"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/clientauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/fetch"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

// TestJWKSURI: the keys of a client are fetched once and then known; a key that
// is not there is the client's fault, a server that is not there is nobody's.
func TestJWKSURI(t *testing.T) {
	key := testkit.SigningKey(t, testkit.ECKey, "ES256", "k1")
	var asked atomic.Int32
	var down atomic.Bool
	site := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		if down.Load() {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(testkit.JWKS(t, key))
	}))
	defer site.Close()
	outbound, err := fetch.NewClient(fetch.Options{
		CA: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: site.Certificate().Raw}),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer outbound.Close()
	d, err := declared.New(declared.Config{Environments: []declared.Environment{{
		Name: "e", ID: env, Issuer: issuer,
		Applications: []declared.Application{
			{ClientID: "one", Type: "service", AuthMethod: oauth.AuthPrivateKeyJWT, JWKSURI: site.URL + "/one"},
			{ClientID: "two", Type: "service", AuthMethod: oauth.AuthPrivateKeyJWT, JWKSURI: site.URL + "/two"},
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
	a := &clientauth.Authenticator{Directory: d, Spent: spendable{}, Keys: sources, Now: clock.Now}

	try := func(client, kid string) string {
		signer := testkit.SigningKey(t, testkit.ECKey, "ES256", kid)
		jwt, err := signer.Sign("", fmt.Appendf(nil, `{"iss":%q,"sub":%q,"aud":%q,"exp":%d}`, client, client, issuer, clock.Now().Add(time.Minute).Unix()))
		if err != nil {
			t.Fatal(err)
		}
		r, form := request(t, url.Values{"client_assertion": {jwt}, "client_assertion_type": {oauth.AssertionTypeJWTBearer}})
		if _, err := a.Client(r, form, e, "token"); err != nil {
			return oauth.From(err).Code
		}
		return "ok"
	}
	for range 3 {
		if got := try("one", "k1"); got != "ok" {
			t.Fatalf("with a published key: %s", got)
		}
	}
	if got := asked.Load(); got != 1 {
		t.Errorf("the key set was fetched %d times, want once", got)
	}
	if got := try("one", "unknown"); got != oauth.CodeInvalidClient {
		t.Errorf("with an unknown kid: %s, want invalid_client", got)
	}
	down.Store(true)
	if got := try("two", "k1"); got != oauth.CodeTemporarilyUnavailable {
		t.Errorf("with its server down: %s, want temporarily_unavailable", got)
	}
	if got := try("one", "k1"); got != "ok" {
		t.Errorf("with its server down and keys known: %s, want ok", got)
	}
	clock.Advance(2 * time.Hour)
	sources.Prune(clock.Now())
	if got := try("one", "k1"); got != oauth.CodeTemporarilyUnavailable {
		t.Errorf("after it was let go, with its server down: %s", got)
	}
}

// TestKeySetsOfStrangers: clients that register themselves by the thousand do
// not fill the memory, and what one of them has evicted is read again.
func TestKeySetsOfStrangers(t *testing.T) {
	key := testkit.SigningKey(t, testkit.ECKey, "ES256", "k1")
	outbound, err := fetch.NewClient(fetch.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer outbound.Close()
	clock := testkit.NewClock(noon)
	sources := &clientauth.KeySources{Client: outbound, Now: clock.Now}
	defer sources.Close()
	raw, err := key.Sign("", []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	jws, err := jose.Parse(raw, jose.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	find := func(c *store.Client) (*jose.Key, error) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // nothing is fetched
		return sources.Find(ctx, c, &jws.Header)
	}
	const many = 3000
	for i := range many {
		id := fmt.Sprintf("client-%d", i)
		if got, err := find(&store.Client{Environment: env, ID: id, Registered: true, JWKS: testkit.JWKS(t, key)}); err != nil || got == nil {
			t.Fatalf("keys by value of %s: %v, %v, want its key", id, got, err)
		}
		if _, err := find(&store.Client{Environment: env, ID: id, Registered: true, JWKSURI: "https://example.com/" + id}); err == nil {
			t.Fatalf("keys by address of %s came from nowhere", id)
		}
	}
	if got := sources.Strangers(); got < 1000 || got > 2000 {
		t.Errorf("%d clients leave %d key sets, want 1000 to 2000", 2*many, got)
	}
	if got, err := find(&store.Client{Environment: env, ID: "client-0", Registered: true, JWKS: testkit.JWKS(t, key)}); err != nil || got == nil {
		t.Errorf("the first client again: %v, %v, want its key", got, err)
	}
	clock.Advance(2 * time.Hour)
	sources.Prune(clock.Now())
	if got := sources.Strangers(); got != 0 {
		t.Errorf("two hours later %d key sets are kept, want none", got)
	}
}

// TestJWKSURIOfManagedClients: who administers an environment is not always who runs the server, and must not
// reach its network by the address of a key set, unless the server's configuration allows that network.
func TestJWKSURIOfManagedClients(t *testing.T) {
	key := testkit.SigningKey(t, testkit.ECKey, "ES256", "k1")
	var asked atomic.Int32
	site := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(testkit.JWKS(t, key))
	}))
	defer site.Close()
	raw, err := key.Sign("", []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	jws, err := jose.Parse(raw, jose.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name     string
		client   store.Client
		networks []netip.Prefix
		want     bool // that the address is contacted
	}{
		{"declared", store.Client{}, nil, true},
		{"managed", store.Client{Managed: true}, nil, false},
		{"managed, and the network is allowed", store.Client{Managed: true}, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, true},
		{"registered", store.Client{Registered: true}, nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			outbound, err := fetch.NewClient(fetch.Options{
				CA:               pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: site.Certificate().Raw}),
				StrangerNetworks: tt.networks,
			})
			if err != nil {
				t.Fatal(err)
			}
			defer outbound.Close()
			sources := &clientauth.KeySources{Client: outbound, Now: testkit.NewClock(noon).Now}
			defer sources.Close()
			asked.Store(0)
			tt.client.Environment, tt.client.ID, tt.client.JWKSURI = env, "client", site.URL
			got, err := sources.Find(t.Context(), &tt.client, &jws.Header)
			if found := got != nil && err == nil; found != tt.want || (asked.Load() > 0) != tt.want {
				t.Errorf("found = %t (%v) with %d requests, want %t", found, err, asked.Load(), tt.want)
			}
		})
	}
}

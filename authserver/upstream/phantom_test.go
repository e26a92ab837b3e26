package upstream_test

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/mtls"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
	"github.com/caddy-gatehouse/gatehouse/authserver/upstream"
)

const issuer = "https://as.example.com"

var signingKey = sync.OnceValue(func() *jose.SigningKey { return must(jose.GenerateSigningKey(jose.ES256, 0)) })

// signed is a JWT that is good for ten minutes, unless changes say otherwise; nil leaves a claim out.
func signed(c *clock, changes map[string]any) string {
	all := map[string]any{"iss": issuer, "sub": "alice", "client_id": "web", "exp": c.Now().Add(10 * time.Minute).Unix()}
	maps.Copy(all, changes)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	return must(signingKey().Sign("at+jwt", must(json.Marshal(all))))
}

// here is an issuer in this process, which knows one opaque token, and whose phantom tokens are made by make.
type here struct {
	claims *jose.Claims
	make   func(*jose.Claims) (string, error)
	made   atomic.Int64
}

func (h *here) Keys(context.Context, string) (*jose.KeySet, error) {
	return jose.NewKeySet(signingKey().Public()), nil
}
func (h *here) Opaque(context.Context, string) (*jose.Claims, error) { return h.claims, nil }
func (h *here) Epoch() uint64                                        { return 0 }
func (h *here) Revoked(*jose.Claims) (bool, error)                   { return false, nil }
func (h *here) Phantom(_ context.Context, c *jose.Claims) (string, error) {
	h.made.Add(1)
	return h.make(c)
}

// verified is what a gate knows of a token of h.
func (h *here) verified(t *testing.T, c *clock, raw string) *resourceserver.Token {
	t.Helper()
	v, err := resourceserver.New(resourceserver.Config{
		Issuers: []resourceserver.Issuer{{Issuer: issuer, Local: h, AnyAudience: true}}, Now: c.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+raw)
	token, err := v.Authorize(r, &resourceserver.Policy{Possession: &resourceserver.Possession{
		Certificate: func(*http.Request) (*mtls.Certificate, error) { return &mtls.Certificate{Leaf: certificate()}, nil },
	}})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// certificate is what clients present.
var certificate = sync.OnceValue(func() *x509.Certificate {
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	return s.Certificate()
})

// TestPhantomOfJWT: a JWT is its own, and nobody is asked.
func TestPhantomOfJWT(t *testing.T) {
	clock := newClock()
	h := &here{make: func(*jose.Claims) (string, error) { return "", errors.New("not asked for") }}
	raw := signed(clock, nil)
	if got := ask(t, source(t, upstream.NewPhantom, upstream.Config{Now: clock.Now}), raw, h.verified(t, clock, raw)); got != raw {
		t.Errorf("got %q, want the token itself", got)
	}
}

// TestPhantomHere: an opaque token of an issuer in this process becomes a JWT of that issuer, made once for a while.
func TestPhantomHere(t *testing.T) {
	clock := newClock()
	tests := []struct {
		name string
		make func(*jose.Claims) (string, error)
		want bool // the phantom token is sent on
	}{
		{"good", func(*jose.Claims) (string, error) { return signed(clock, nil), nil }, true},
		{"the issuer cannot", func(*jose.Claims) (string, error) { return "", errors.New("no key") }, false},
		{"not a JWT", func(*jose.Claims) (string, error) { return "opaque", nil }, false},
		{"bound to a key", func(*jose.Claims) (string, error) {
			return signed(clock, map[string]any{"cnf": map[string]any{"jkt": "x"}}), nil
		}, false},
		{"about somebody else", func(*jose.Claims) (string, error) { return signed(clock, map[string]any{"sub": "bob"}), nil }, false},
		{"of another issuer", func(*jose.Claims) (string, error) {
			return signed(clock, map[string]any{"iss": "https://b.example.com"}), nil
		}, false},
		{"without an end", func(*jose.Claims) (string, error) { return signed(clock, map[string]any{"exp": nil}), nil }, false},
		{"past its end", func(*jose.Claims) (string, error) {
			return signed(clock, map[string]any{"exp": clock.Now().Unix()}), nil
		}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := &here{claims: claimsOf(clock, time.Hour, map[string]any{"iss": issuer}), make: tt.make}
			s := source(t, upstream.NewPhantom, upstream.Config{Now: clock.Now})
			token := h.verified(t, clock, "opaque")
			got := ask(t, s, "opaque", token)
			if strings.Count(got, ".") == 2 != tt.want || !tt.want && got != unavailable {
				t.Fatalf("got %q, want it to be sent on: %v", got, tt.want)
			}
			if again := ask(t, s, "opaque", token); tt.want && (again != got || h.made.Load() != 1) {
				t.Errorf("made %d times, want 1", h.made.Load())
			}
		})
	}
}

// TestPhantomOfBoundToken: the upstream could not check what the token is bound to, and a phantom without it would be worth more than the
// token, so there is none: neither the token itself, nor another.
func TestPhantomOfBoundToken(t *testing.T) {
	clock := newClock()
	cnf := map[string]any{"cnf": map[string]any{"x5t#S256": mtls.Thumbprint(certificate())}}
	raw := signed(clock, cnf)
	h := &here{make: func(*jose.Claims) (string, error) { return signed(clock, nil), nil }}
	h.claims = claimsOf(clock, time.Hour, map[string]any{"iss": issuer, "cnf": cnf["cnf"]})
	seen := &recorder{}
	s := source(t, upstream.NewPhantom, upstream.Config{Now: clock.Now, Observer: seen})
	for _, raw := range []string{raw, "opaque"} {
		if got := ask(t, s, raw, h.verified(t, clock, raw)); got != forbidden {
			t.Errorf("%s: got %q, want %q", raw, got, forbidden)
		}
	}
	if h.made.Load() != 0 || seen.seen["phantom refused"] != 2 {
		t.Errorf("made %d, observed %v", h.made.Load(), seen.seen)
	}
}

// TestPhantomOfBoundTokenIntrospected: nor is there one where the token alone, or its issuer alone, says that it is bound.
func TestPhantomOfBoundTokenIntrospected(t *testing.T) {
	clock := newClock()
	cnf := map[string]any{"cnf": map[string]any{"x5t#S256": mtls.Thumbprint(certificate())}}
	active := map[string]any{"active": true, "sub": "alice", "exp": clock.Now().Add(time.Hour).Unix()}
	boundly := maps.Clone(active)
	maps.Copy(boundly, cnf)
	for _, tt := range []struct {
		name   string
		raw    string
		answer map[string]any
		want   string // "" for the token itself
	}{
		{"neither", signed(clock, nil), active, ""},
		{"the token", signed(clock, cnf), active, forbidden},
		{"its issuer", signed(clock, nil), boundly, forbidden},
	} {
		t.Run(tt.name, func(t *testing.T) {
			as := newAuthority(t, answers(200, string(must(json.Marshal(tt.answer)))))
			v := must(resourceserver.New(resourceserver.Config{Issuers: []resourceserver.Issuer{{
				Issuer: issuer, AnyAudience: true, Mode: resourceserver.ModeIntrospect, CA: as.ca(),
				Introspection: resourceserver.Introspection{Endpoint: as.URL + "/introspect", ClientID: "gate", ClientSecret: "gate-secret"},
			}}, Now: clock.Now}))
			t.Cleanup(v.Close)
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("Authorization", "Bearer "+tt.raw)
			token, err := v.Authorize(r, &resourceserver.Policy{Possession: &resourceserver.Possession{
				Certificate: func(*http.Request) (*mtls.Certificate, error) { return &mtls.Certificate{Leaf: certificate()}, nil },
			}})
			if err != nil {
				t.Fatal(err)
			}
			if got, want := ask(t, source(t, upstream.NewPhantom, upstream.Config{Now: clock.Now}), tt.raw, token), cmp.Or(tt.want, tt.raw); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// foreign is a verified token of an issuer elsewhere, which was introspected.
func foreign(t *testing.T, c *clock, is string) *resourceserver.Token {
	t.Helper()
	as := newAuthority(t, answers(200, string(must(json.Marshal(map[string]any{"active": true, "sub": "alice", "exp": c.Now().Add(time.Hour).Unix()})))))
	v, err := resourceserver.New(resourceserver.Config{Issuers: []resourceserver.Issuer{{
		Issuer: is, AnyAudience: true, Mode: resourceserver.ModeIntrospect, CA: as.ca(),
		Introspection: resourceserver.Introspection{Endpoint: as.URL + "/introspect", ClientID: "gate", ClientSecret: "gate-secret"},
	}}, Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	token, err := v.Verify(context.Background(), "opaque")
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// TestPhantomElsewhere: an issuer elsewhere is asked by introspection for application/jwt.
func TestPhantomElsewhere(t *testing.T) {
	clock := newClock()
	send := func(contentType, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", contentType)
			_, _ = w.Write([]byte(body))
		}
	}
	good := signed(clock, nil)
	tests := []struct {
		name   string
		answer http.HandlerFunc
		want   string
	}{
		{"good", send("application/jwt", good), good},
		{"with white space around", send("application/jwt;charset=utf-8", good+"\r\n"), good},
		{"not active", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, refused},
		{"JSON in spite of what was asked", answers(200, `{"active":true}`), unavailable},
		{"a JWT as something else", send("text/plain", good), unavailable},
		{"nothing", send("application/jwt", ""), unavailable},
		{"an opaque token", send("application/jwt", "opaque"), unavailable},
		{"about somebody else", send("application/jwt", signed(clock, map[string]any{"sub": "bob"})), unavailable},
		{"of another issuer", send("application/jwt", signed(clock, map[string]any{"iss": "https://b.example.com"})), unavailable},
		{"bound to a key", send("application/jwt", signed(clock, map[string]any{"cnf": map[string]any{"jkt": "x"}})), unavailable},
		{"not acceptable", answers(406, ""), unavailable},
		{"down", answers(502, ""), unavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			as := newAuthority(t, tt.answer)
			config := as.config(clock)
			config.Issuer, config.TokenEndpoint, config.IntrospectionEndpoint = issuer, "", as.URL+"/introspect"
			s := source(t, upstream.NewPhantom, config)
			token := foreign(t, clock, issuer)
			for range 2 {
				if got := ask(t, s, "opaque", token); got != tt.want {
					t.Errorf("got %q, want %q", got, tt.want)
				}
			}
			if got := as.last(t); got.header.Get("Accept") != "application/jwt" || got.form.Get("token") != "opaque" {
				t.Errorf("asked for %q about %q", got.header.Get("Accept"), got.form.Get("token"))
			}
			if got := as.count(); got != 1 && tt.want != unavailable {
				t.Errorf("asked %d times, want 1", got)
			}
		})
	}
	t.Run("nobody to ask", func(t *testing.T) {
		if got := ask(t, source(t, upstream.NewPhantom, upstream.Config{Now: clock.Now}), "opaque", foreign(t, clock, issuer)); got != unavailable {
			t.Errorf("got %q, want %q", got, unavailable)
		}
	})
	t.Run("anonymous", func(t *testing.T) {
		if got := ask(t, source(t, upstream.NewPhantom, upstream.Config{Now: clock.Now}), "", nil); got != "" {
			t.Errorf("got %q, want nothing", got)
		}
	})
}

package integration_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// provider is an OpenID provider written by others (zitadel/oidc), run for real
// over TLS. Its example storage knows one service user, sid1; the differences
// here give that user access tokens for our API, as JWTs or opaque.
type provider struct {
	*storage.Storage
	server *httptest.Server

	mu     sync.Mutex
	opaque bool
	issued map[string]grantedToken // by token id
	asked  int
}

type grantedToken struct {
	request op.TokenRequest
	expires time.Time
	ended   bool
}

func newProvider(t testing.TB) *provider {
	t.Helper()
	p := &provider{issued: map[string]grantedToken{}}
	var router http.Handler
	p.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/introspect") {
			p.mu.Lock()
			p.asked++
			p.mu.Unlock()
		}
		router.ServeHTTP(w, r)
	}))
	t.Cleanup(p.server.Close)
	users := storage.NewUserStore(p.server.URL)
	p.Storage = storage.NewStorageWithClients(users, map[string]*storage.Client{"gate": storage.WebClient("gate", providerSecret)})
	router = exampleop.SetupServer(p.server.URL, p, slog.New(slog.DiscardHandler), false)
	return p
}

const providerSecret = "provider-secret-8KqZ3yVn"

// jwtClient asks for JWT access tokens, which the example's service user does not.
type jwtClient struct{ op.Client }

func (jwtClient) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeJWT }

func (p *provider) ClientCredentials(ctx context.Context, id, secret string) (op.Client, error) {
	c, err := p.Storage.ClientCredentials(ctx, id, secret)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.opaque {
		return c, nil
	}
	return jwtClient{c}, nil
}

func (p *provider) ClientCredentialsTokenRequest(_ context.Context, id string, scopes []string) (op.TokenRequest, error) {
	return &oidc.JWTTokenRequest{Subject: id, Audience: []string{orders, "gate"}, Scopes: scopes}, nil
}

func (p *provider) CreateAccessToken(ctx context.Context, request op.TokenRequest) (string, time.Time, error) {
	id, expires, err := p.Storage.CreateAccessToken(ctx, request)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.issued[id] = grantedToken{request: request, expires: expires}
	return id, expires, err
}

// GetPrivateClaimsFromScopes puts the scope into JWTs: the library leaves that
// to the storage.
func (p *provider) GetPrivateClaimsFromScopes(_ context.Context, _, client string, scopes []string) (map[string]any, error) {
	return map[string]any{"scope": strings.Join(scopes, " "), "client_id": client}, nil
}

func (p *provider) SetIntrospectionFromToken(_ context.Context, a *oidc.IntrospectionResponse, id, subject, client string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	g, ok := p.issued[id]
	if !ok || g.ended || time.Now().After(g.expires) {
		return context.Canceled // any error: not active
	}
	a.Subject, a.ClientID, a.Issuer = subject, subject, p.server.URL
	a.Audience, a.Scope = g.request.GetAudience(), g.request.GetScopes()
	a.Expiration = oidc.FromTime(g.expires)
	a.TokenType = "Bearer"
	return nil
}

// token gets a token from the provider over HTTP, as any client would.
func (p *provider) token(t testing.TB, opaque bool, scope string) string {
	t.Helper()
	p.mu.Lock()
	p.opaque = opaque
	p.mu.Unlock()
	req := formRequest(p.server.URL+"/oauth/token", basic("sid1", "verysecret"), "grant_type", "client_credentials", "scope", scope)
	r, err := p.server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	var body struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body.AccessToken == "" {
		t.Fatalf("the provider's token response: %d, %v", r.StatusCode, err)
	}
	if got := strings.Count(body.AccessToken, ".") == 2; got == opaque {
		t.Fatalf("the provider's token is a JWT: %v, want %v", got, !opaque)
	}
	return body.AccessToken
}

// end makes every token so far inactive.
func (p *provider) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, g := range p.issued {
		g.ended = true
		p.issued[id] = g
	}
}

// TestForeignProvider trusts an independent provider: its JWTs by its keys, and
// its opaque tokens (and JWTs, where asked to) by introspection.
func TestForeignProvider(t *testing.T) {
	p := newProvider(t)
	roots := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	n := start(t, config{ports: []string{"jwt", "opaque", "recheck", "untrusted"}, vars: map[string]string{"PROVIDER": p.server.URL, "ROOTS": roots, "PROVIDER_SECRET": "{env.PROVIDER_SECRET}"},
		sites: `
http://:$JWT {
	bearer_auth {
		issuer $PROVIDER {
			ca_file $ROOTS
		}
		audience ` + orders + `
		scope orders:read
		forward_claim sub X-User-Id
	}
	reverse_proxy $UPSTREAM
}
http://:$OPAQUE {
	bearer_auth {
		issuer $PROVIDER {
			verify introspect
			introspection {
				basic gate ` + providerSecret + `
				ttl 2s
			}
			ca_file $ROOTS
		}
		audience ` + orders + `
		scope orders:read
		forward_claim sub X-User-Id
	}
	reverse_proxy $UPSTREAM
}
http://:$RECHECK {
	bearer_auth {
		issuer $PROVIDER {
			verify jwt_and_introspect 2s
			introspection {
				basic gate ` + providerSecret + `
			}
			ca_file $ROOTS
		}
		audience ` + orders + `
		scope orders:read
	}
	reverse_proxy $UPSTREAM
}
http://:$UNTRUSTED {
	bearer_auth {
		issuer $PROVIDER
		audience ` + orders + `
	}
	reverse_proxy $UPSTREAM
}
`})
	n.secret("the gate's secret at the provider", providerSecret)
	jwt, opaque := p.token(t, false, "orders:read"), p.token(t, true, "orders:read")
	narrow := p.token(t, false, "orders:list")
	for _, s := range []string{jwt, opaque, narrow} {
		n.secret("a token of the provider", s)
	}
	tests := []struct {
		name, port, token string
		status            int
	}{
		{"JWT by the provider's keys", "jwt", jwt, 200},
		{"JWT with another scope", "jwt", narrow, 403},
		{"opaque token where only JWTs are read", "jwt", opaque, 401},
		{"opaque token by introspection", "opaque", opaque, 200},
		{"JWT by introspection", "opaque", jwt, 200},
		{"damaged opaque token by introspection", "opaque", flip(opaque), 401},
		{"JWT by keys and introspection", "recheck", jwt, 200},
		{"our own token", "jwt", n.token(t, worker), 401},
		{"provider whose certificate is not trusted", "untrusted", jwt, 503},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for range 2 {
				before := n.upstream.count()
				a := n.call(t, tt.port, "/", tt.token)
				if a.status != tt.status {
					t.Errorf("status = %d %q, want %d", a.status, a.challenge(), tt.status)
				}
				if got := n.upstream.count() - before; (got == 1) != (tt.status == 200) {
					t.Errorf("the upstream saw %d requests", got)
				}
				if tt.status == 200 && tt.port != "recheck" {
					if got := n.upstream.last().header.Get("X-User-Id"); got != "sid1" {
						t.Errorf("X-User-Id = %q, want sid1", got)
					}
				}
				if tt.status == 503 && a.header.Get("Retry-After") == "" {
					t.Errorf("503 without Retry-After")
				}
			}
		})
	}
	t.Run("answers are remembered", func(t *testing.T) {
		n.call(t, "opaque", "/", opaque)
		p.mu.Lock()
		before := p.asked
		p.mu.Unlock()
		for range 10 {
			n.call(t, "opaque", "/", opaque)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.asked-before > 1 {
			t.Errorf("the provider was asked %d times for 10 requests", p.asked-before)
		}
	})
	t.Run("ended at the provider", func(t *testing.T) {
		p.end()
		for _, tt := range []struct{ port, token string }{{"opaque", opaque}, {"recheck", jwt}} {
			eventually(t, 15*time.Second, tt.port+" refuses what the provider ended", func() bool {
				return n.call(t, tt.port, "/", tt.token).status == http.StatusUnauthorized
			})
		}
	})
}

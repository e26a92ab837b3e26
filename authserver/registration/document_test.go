package registration_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/fetch"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/registration"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// site is a web server that has documents, on this machine, under every name below example.com.
type site struct {
	*httptest.Server
	port  string
	hits  atomic.Int64
	mu    sync.Mutex
	serve http.HandlerFunc
}

func (s *site) set(h http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serve = h
}

// url is the address of a path at a name.
func (s *site) url(host, path string) string { return "https://" + host + ":" + s.port + path }

func newSite(t testing.TB) *site {
	t.Helper()
	s := &site{}
	s.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.hits.Add(1)
		s.mu.Lock()
		h := s.serve
		s.mu.Unlock()
		h(w, r)
	}))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	t.Cleanup(s.Close)
	_, s.port, _ = net.SplitHostPort(s.Listener.Addr().String())
	names(t, netip.MustParseAddr("127.0.0.1"))
	return s
}

// names has every name resolved to an address, until the test ends.
func names(t testing.TB, to netip.Addr) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for b := make([]byte, 1500); ; {
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo(resolved(b[:n], to), from)
		}
	}()
	before := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
	t.Cleanup(func() { net.DefaultResolver = before; _ = conn.Close() })
}

// resolved answers a question of DNS (RFC 1035 §4.1): for an A record with the address, for others with none.
func resolved(question []byte, to netip.Addr) []byte {
	end := 12
	for question[end] != 0 {
		end += int(question[end]) + 1
	}
	a := append([]byte{}, question[:end+5]...)
	binary.BigEndian.PutUint16(a[2:], 0x8180)
	binary.BigEndian.PutUint16(a[4:], 1)
	copy(a[6:12], make([]byte, 6))
	if binary.BigEndian.Uint16(question[end+1:]) == 1 {
		a[7] = 1
		ip := to.As4()
		a = append(a, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
		a = append(a, ip[:]...)
	}
	return a
}

// documents is what finds clients at a site; networks are those that may be contacted beside the public ones.
func documents(t testing.TB, s *site, clock *testkit.Clock, networks ...string) *registration.Documents {
	t.Helper()
	o := fetch.Options{CA: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), Timeout: 30 * time.Second}
	for _, n := range networks {
		o.StrangerNetworks = append(o.StrangerNetworks, netip.MustParsePrefix(n))
	}
	client, err := fetch.NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	g := newRig(t)
	g.registrar.Outbound = client
	return &registration.Documents{
		Cache:     &registration.DocumentCache{Client: client, Now: clock.Now, Log: slog.New(slog.DiscardHandler)},
		Registrar: g.registrar,
	}
}

func accepting(hosts ...string) *store.Environment {
	env := environment(store.RegistrationOff)
	env.Registration.Documents, env.Registration.DocumentHosts = true, hosts
	env.Registration.Scopes = append(env.Registration.Scopes, "orders:read")
	return env
}

const loopbackNetwork = "127.0.0.0/8"

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// describing serves a document for its own address, with members changed: name, JSON, name, JSON…; "" takes one away.
func describing(changes ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, documentAt("https://"+r.Host+r.URL.RequestURI(), changes...))
	}
}

func documentAt(id string, changes ...string) string {
	members := map[string]json.RawMessage{
		"client_id":     json.RawMessage(`"` + id + `"`),
		"redirect_uris": json.RawMessage(`["https://app.example.com/callback"]`),
		"client_name":   json.RawMessage(`"An App"`),
	}
	for i := 0; i < len(changes); i += 2 {
		if members[changes[i]] = json.RawMessage(changes[i+1]); changes[i+1] == "" {
			delete(members, changes[i])
		}
	}
	b, _ := json.Marshal(members)
	return string(b)
}

func TestDocumentOfAClient(t *testing.T) {
	s := newSite(t)
	env := accepting()
	for _, tt := range []struct {
		name    string
		changes []string
		want    func(c *store.Client)
	}{
		{"as little as can be", []string{"client_name", ""}, func(c *store.Client) { c.Name = "HOST" }},
		{"a name", nil, func(*store.Client) {}},
		{"no method is none", []string{"token_endpoint_auth_method", `"none"`}, func(*store.Client) {}},
		{"what nobody knows", []string{"x", `{"y":[1]}`, "software_id", `"s"`, "client_id_expires_at", "1"}, func(*store.Client) {}},
		{
			"grant types of other servers", []string{"grant_types", `["authorization_code","refresh_token","urn:ietf:params:oauth:grant-type:device_code","client_credentials","implicit"]`},
			func(c *store.Client) {
				c.GrantTypes = []string{oauth.GrantAuthorizationCode, oauth.GrantRefreshToken}
			},
		},
		{"response types of other servers", []string{"response_types", `["code","code id_token","token"]`}, func(*store.Client) {}},
		{
			"scopes beyond what there is", []string{"scope", `"openid orders:read admin"`},
			func(c *store.Client) {
				c.Grants = map[string][]string{store.ResourceOpenID: {"openid"}, "orders": {"orders:read"}}
			},
		},
		{
			"keys of its own", []string{"token_endpoint_auth_method", `"private_key_jwt"`, "jwks_uri", `"https://keys.example.com/jwks"`},
			func(c *store.Client) {
				c.AuthMethod, c.Type, c.JWKSURI = oauth.AuthPrivateKeyJWT, store.WebApp, "https://keys.example.com/jwks"
			},
		},
		{
			"a native one", []string{"application_type", `"native"`, "redirect_uris", `["http://127.0.0.1/cb","com.example.app:/cb"]`},
			func(c *store.Client) {
				c.Type, c.RedirectURIs = store.NativeApp, []string{"http://127.0.0.1/cb", "com.example.app:/cb"}
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s.set(describing(tt.changes...))
			id := s.url("app.example.com", "/client.json")
			got, err := documents(t, s, testkit.NewClock(noon), loopbackNetwork).Client(t.Context(), env, id)
			if err != nil {
				t.Fatalf("refused: %v", err)
			}
			want := &store.Client{
				Environment: envID, ID: id, Name: "HOST – An App", Type: store.SinglePageApp, Enabled: true, Registered: true,
				AuthMethod: oauth.AuthNone, PKCE: store.PKCES256Required, Consent: store.ConsentOnce, SessionCheck: true,
				GrantTypes: []string{oauth.GrantAuthorizationCode}, ResponseTypes: []string{oauth.ResponseCode},
				RedirectURIs: []string{"https://app.example.com/callback"},
				Grants: map[string][]string{
					store.ResourceOpenID: {"openid", "profile", "email", "address", "phone", "offline_access"}, "orders": {"orders:read"},
				},
			}
			tt.want(want)
			want.Name = strings.ReplaceAll(want.Name, "HOST", "app.example.com:"+s.port)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("client (-want +got):\n%s", diff)
			}
			if !got.Stranger() {
				t.Error("its addresses are taken for those of who runs the server")
			}
		})
	}
	t.Run("a query", func(t *testing.T) {
		s.set(describing())
		id := s.url("app.example.com", "/client?of=1")
		if _, err := documents(t, s, testkit.NewClock(noon), loopbackNetwork).Client(t.Context(), env, id); err != nil {
			t.Errorf("refused: %v", err)
		}
	})
}

// TestAttack120MetadataDocument: nobody is contacted whom a stranger must not have contacted, and a document that is no good makes no client.
func TestAttack120MetadataDocument(t *testing.T) {
	s := newSite(t)
	s.set(describing())
	refused := func(t *testing.T, d *registration.Documents, env *store.Environment, id string, hits int64) {
		t.Helper()
		s.hits.Store(0)
		c, err := d.Client(t.Context(), env, id)
		if !errors.Is(err, store.ErrNotFound) || c != nil {
			t.Errorf("client %v, error %v, want none and not found", c, err)
		}
		if got := s.hits.Load(); got != hits {
			t.Errorf("%d requests, want %d", got, hits)
		}
	}
	good := s.url("app.example.com", "/client.json")

	t.Run("address", func(t *testing.T) {
		for name, id := range map[string]string{
			"loopback":               s.url("127.0.0.1", "/c"),
			"loopback, IPv6":         s.url("[::1]", "/c"),
			"localhost":              s.url("localhost", "/c"),
			"under localhost":        s.url("a.localhost", "/c"),
			"IPv4-mapped":            s.url("[::ffff:127.0.0.1]", "/c"),
			"IPv4-mapped, in words":  s.url("[::ffff:7f00:1]", "/c"),
			"6to4":                   s.url("[2002:7f00:1::]", "/c"),
			"NAT64":                  s.url("[64:ff9b::7f00:1]", "/c"),
			"Teredo":                 s.url("[2001:0:7f00:1::]", "/c"),
			"link-local":             "https://169.254.169.254/latest/meta-data",
			"link-local, IPv6":       s.url("[fe80::1]", "/c"),
			"private 10":             s.url("10.0.0.1", "/c"),
			"private 172.16":         s.url("172.16.0.1", "/c"),
			"private 192.168":        s.url("192.168.0.1", "/c"),
			"private, IPv6":          s.url("[fd00::1]", "/c"),
			"unspecified":            s.url("0.0.0.0", "/c"),
			"decimal":                s.url("2130706433", "/c"),
			"hexadecimal":            s.url("0x7f000001", "/c"),
			"octal":                  s.url("0177.0.0.1", "/c"),
			"a name that rebinds":    good,
			"http":                   "http://app.example.com/c",
			"http on loopback":       "http://127.0.0.1:" + s.port + "/c",
			"another scheme":         "ftp://app.example.com/c",
			"no path":                s.url("app.example.com", ""),
			"a fragment":             s.url("app.example.com", "/c#x"),
			"an empty fragment":      s.url("app.example.com", "/c#"),
			"user information":       "https://a:b@app.example.com/c",
			"a dot segment":          s.url("app.example.com", "/a/./c"),
			"two dots":               s.url("app.example.com", "/a/../c"),
			"two dots, escaped":      s.url("app.example.com", "/a/%2e%2E/c"),
			"two dots, half escaped": s.url("app.example.com", "/a/.%2e"),
			"two dots at the end":    s.url("app.example.com", "/a/.."),
			"a backslash":            s.url("app.example.com", `/a\..\c`),
			"a blank":                s.url("app.example.com", "/a b"),
			"a line end":             s.url("app.example.com", "/a\r\nHost: x"),
			"beyond ASCII":           s.url("ex\u00e4mple.com", "/c"),
			"capitals in the host":   s.url("App.example.com", "/c"),
			"capitals in the scheme": "HTTPS://app.example.com/c",
			"a dot behind the host":  s.url("app.example.com.", "/c"),
			"an empty port":          "https://app.example.com:/c",
			"too long":               s.url("app.example.com", "/"+strings.Repeat("c", 512)),
			"relative":               "//app.example.com/c",
		} {
			t.Run(name, func(t *testing.T) {
				refused(t, documents(t, s, testkit.NewClock(noon)), accepting(), id, 0)
			})
		}
		t.Run("good", func(t *testing.T) {
			for _, id := range []string{good, s.url("127.0.0.1", "/c"), s.url("app.example.com", "/a/.hidden/..c/c.json"), s.url("app.example.com", "/")} {
				if _, err := documents(t, s, testkit.NewClock(noon), loopbackNetwork).Client(t.Context(), accepting(), id); err != nil {
					t.Errorf("%s: %v", id, err)
				}
			}
		})
	})

	t.Run("host", func(t *testing.T) {
		d := documents(t, s, testkit.NewClock(noon), loopbackNetwork)
		refused(t, d, environment(store.RegistrationOpen), good, 0)
		refused(t, d, accepting("other.example.com:"+s.port), good, 0)
		refused(t, d, accepting("app.example.com"), good, 0) // another port
		refused(t, d, accepting("example.com:"+s.port), good, 0)
		if _, err := d.Client(t.Context(), accepting("other.example.com", "app.example.com:"+s.port), good); err != nil {
			t.Errorf("a listed host: %v", err)
		}
	})

	t.Run("document", func(t *testing.T) {
		for name, changes := range map[string][]string{
			"another client_id":              {"client_id", `"https://evil.example.com/c"`},
			"client_id in capitals":          {"client_id", `"` + strings.ToUpper(good) + `"`},
			"client_id with a slash more":    {"client_id", `"` + good + `/"`},
			"no client_id":                   {"client_id", ""},
			"client_id of another type":      {"client_id", `["` + good + `"]`},
			"no redirect_uris":               {"redirect_uris", ""},
			"empty redirect_uris":            {"redirect_uris", `[]`},
			"javascript: redirect":           {"redirect_uris", `["javascript:alert(1)"]`},
			"data: redirect":                 {"redirect_uris", `["https://app.example.com/cb","data:text/html,x"]`},
			"http redirect":                  {"redirect_uris", `["http://app.example.com/cb"]`},
			"a redirect with a fragment":     {"redirect_uris", `["https://app.example.com/cb#x"]`},
			"a secret":                       {"client_secret", `"s"`},
			"a secret that is null":          {"client_secret", `null`},
			"a secret's end":                 {"client_secret_expires_at", `0`},
			"client_secret_basic":            {"token_endpoint_auth_method", `"client_secret_basic"`},
			"client_secret_post":             {"token_endpoint_auth_method", `"client_secret_post"`},
			"client_secret_jwt":              {"token_endpoint_auth_method", `"client_secret_jwt"`},
			"tls_client_auth":                {"token_endpoint_auth_method", `"tls_client_auth"`},
			"private_key_jwt without keys":   {"token_endpoint_auth_method", `"private_key_jwt"`},
			"a symmetric key":                {"token_endpoint_auth_method", `"private_key_jwt"`, "jwks", `{"keys":[{"kty":"oct","k":"AAAA"}]}`},
			"keys on this machine":           {"token_endpoint_auth_method", `"private_key_jwt"`, "jwks_uri", `"https://10.0.0.1/jwks"`},
			"a logo in the private network":  {"logo_uri", `"https://192.168.0.1/logo.png"`},
			"a logout address on loopback":   {"backchannel_logout_uri", `"https://[::1]/x"`},
			"no scope that there is":         {"scope", `"admin"`},
			"client credentials alone":       {"grant_types", `["client_credentials"]`},
			"the implicit grant alone":       {"grant_types", `["implicit"]`, "response_types", `["token"]`},
			"a name that turns the text":     {"client_name", "\"App \u202egro.elpmaxe\""},
			"over 5 kB":                      {"x", `"` + strings.Repeat("x", 5<<10) + `"`},
			"redirect_uris of another type":  {"redirect_uris", `"https://app.example.com/cb"`},
			"an algorithm that there is not": {"id_token_signed_response_alg", `"none"`},
		} {
			t.Run(name, func(t *testing.T) {
				s.set(describing(changes...))
				refused(t, documents(t, s, testkit.NewClock(noon), loopbackNetwork), accepting(), good, 1)
			})
		}
		t.Run("5 kB are good", func(t *testing.T) {
			long := 5<<10 - len(documentAt(good, "x", `""`))
			s.set(describing("x", `"`+strings.Repeat("x", long)+`"`))
			if _, err := documents(t, s, testkit.NewClock(noon), loopbackNetwork).Client(t.Context(), accepting(), good); err != nil {
				t.Errorf("refused: %v", err)
			}
		})
	})

	t.Run("answer", func(t *testing.T) {
		text := func(kind, body string) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", kind)
				_, _ = io.WriteString(w, body)
			}
		}
		for name, h := range map[string]http.HandlerFunc{
			"a redirect": func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "https://other.example.com:"+s.port+"/c", http.StatusFound)
			},
			"a redirect to this machine": func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "http://127.0.0.1:"+s.port+"/c", http.StatusTemporaryRedirect)
			},
			"not found":                         http.NotFound,
			"gone":                              func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) },
			"created":                           func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusCreated); describing()(w, r) },
			"a page":                            text("text/html", documentAt(good)),
			"no type":                           text("", documentAt(good)),
			"no JSON":                           text("application/json", "<html>"),
			"a list":                            text("application/json", "["+documentAt(good)+"]"),
			"one member twice":                  text("application/json", `{"client_id":"`+good+`",`+documentAt(good)[1:]),
			"something behind it":               text("application/json", documentAt(good)+"{}"),
			"nothing":                           text("application/json", ""),
			"nested deeply":                     text("application/json", strings.Replace(documentAt(good), "{", `{"x":`+strings.Repeat("[", 60)+strings.Repeat("]", 60)+",", 1)),
			"over 5 kB of white space":          text("application/json", strings.Repeat(" ", 6<<10)+documentAt(good)),
			"over 5 kB, of unknown length":      func(w http.ResponseWriter, r *http.Request) { drip(w, good) },
			"the document of another server's":  text("application/json", documentAt("https://app.example.com/client.json")),
			"a document without its last brace": text("application/json", strings.TrimSuffix(documentAt(good), "}")),
		} {
			t.Run(name, func(t *testing.T) {
				s.set(h)
				refused(t, documents(t, s, testkit.NewClock(noon), loopbackNetwork), accepting(), good, 1)
			})
		}
		t.Run("another type of JSON is good", func(t *testing.T) {
			s.set(text("application/client+json; charset=utf-8", documentAt(good)))
			if _, err := documents(t, s, testkit.NewClock(noon), loopbackNetwork).Client(t.Context(), accepting(), good); err != nil {
				t.Errorf("refused: %v", err)
			}
		})
	})

	t.Run("nothing else is fetched", func(t *testing.T) {
		s.set(describing("logo_uri", `"`+s.url("logo.example.com", "/l.png")+`"`, "jwks_uri", `"`+s.url("keys.example.com", "/k")+`"`,
			"client_uri", `"`+s.url("app.example.com", "/")+`"`, "sector_identifier_uri", `"`+s.url("a.example.com", "/s")+`"`,
			"software_statement", `"x.y.z"`, "request_uris", `["`+s.url("a.example.com", "/r")+`"]`))
		s.hits.Store(0)
		if _, err := documents(t, s, testkit.NewClock(noon), loopbackNetwork).Client(t.Context(), accepting(), good); err != nil {
			t.Fatalf("refused: %v", err)
		}
		if got := s.hits.Load(); got != 1 {
			t.Errorf("%d requests, want the document's alone", got)
		}
	})
}

// drip sends a document in pieces, with far more than it may have.
func drip(w http.ResponseWriter, id string) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, strings.TrimSuffix(documentAt(id), "}")+`,"x":"`)
	for range 100 {
		if _, err := io.WriteString(w, strings.Repeat("x", 1000)); err != nil {
			return
		}
		w.(http.Flusher).Flush()
	}
}

func FuzzMetadataDocument(f *testing.F) {
	const id = "https://app.example.com/c"
	f.Add([]byte(documentAt(id)))
	f.Add([]byte(documentAt(id, "grant_types", `["x"]`, "jwks", `{"keys":[{"kty":"RSA"}]}`)))
	f.Add([]byte(`{"client_id":"` + id + `","redirect_uris":[null]}`))
	f.Add([]byte("\xff{"))
	g := newRig(f)
	u, err := url.Parse(id)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := g.registrar.JudgeDocument(t.Context(), accepting(), u, text)
		if err != nil {
			return
		}
		if c.ID != id || len(c.RedirectURIs) == 0 || len(c.Secrets) > 0 || !c.Registered || c.Consent != store.ConsentOnce || c.PKCE != store.PKCES256Required ||
			c.AuthMethod != oauth.AuthNone && c.AuthMethod != oauth.AuthPrivateKeyJWT {
			t.Errorf("%q became %+v", text, c)
		}
		for _, g := range c.GrantTypes {
			if g != oauth.GrantAuthorizationCode && g != oauth.GrantRefreshToken {
				t.Errorf("%q may use %s", text, g)
			}
		}
	})
}

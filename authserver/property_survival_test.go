package authserver_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"runtime/metrics"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/caddy-gatehouse/gatehouse/authserver"
	"github.com/caddy-gatehouse/gatehouse/authserver/dpop"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/fetch"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/mcp"
	"github.com/caddy-gatehouse/gatehouse/authserver/mtls"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

// What one input of at most longestInput bytes may take. The time is generous for a busy machine and the race detector; what is caught is what grows faster
// than the input.
const (
	longestInput = 64 << 10
	mostTime     = time.Second
	mostMemory   = 8 << 20
)

// allocated is how many bytes this process has allocated since it began.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// pieces are what inputs are spoilt with.
var pieces = []string{
	"", ".", "..", "...", "{", "}", "[", "]", `"`, `\`, `\u0000`, `\ud800`, "\x00", "\xff", "\xc0\xaf", "\r\n", " ", ",", ":", ";", "=", "&", "%", "%00", "%u", "+", "null", "true", "-1", "1e999", "9223372036854775808",
	"1e-999999999", `{"a":`, "[[[[[[[[", `"alg":"none"`, `"alg":"PBES2-HS512+A256KW","p2c":100000000`, `"zip":"DEF"`, `"kty":"RSA","n":"AQ","e":"AQ"`, `"crit":["x"]`, `"kid":{}`, `"active":1`, `"exp":"x"`, `"aud":[[]]`, "-----BEGIN CERTIFICATE-----",
	`"jwk":{"kty":"EC","crv":"P-256","x":"","y":""}`, `"method":"tools/call"`, "__proto__", "\u202e", "ſ",
}

// spoilt makes inputs: anything at all, and the seeds with some bytes changed, taken out, repeated, many times over, or put inside what
// is encoded in them.
func spoilt(seeds []string) *rapid.Generator[string] {
	piece := rapid.SampledFrom(pieces)
	change := func(r *rapid.T, text string) string {
		i := rapid.IntRange(0, len(text)).Draw(r, "from")
		j := min(len(text), i+rapid.IntRange(0, 40).Draw(r, "bytes"))
		switch rapid.IntRange(0, 4).Draw(r, "change") {
		case 0:
			return text[:i] + piece.Draw(r, "piece") + text[j:]
		case 1:
			return text[:i] + text[j:]
		case 2:
			return text[:i]
		case 3:
			return text[:i] + string(rapid.SliceOfN(rapid.Byte(), 0, 8).Draw(r, "noise")) + text[j:]
		}
		unit := text[i:j]
		if unit == "" {
			unit = piece.Draw(r, "unit")
		}
		times := rapid.SampledFrom([]int{2, 100, longestInput}).Draw(r, "times")
		return text[:i] + strings.Repeat(unit, min(times, longestInput/max(1, len(unit)))) + text[j:]
	}
	return rapid.Custom(func(r *rapid.T) string {
		if rapid.IntRange(0, 7).Draw(r, "anything") == 0 {
			return string(rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(r, "bytes"))
		}
		text := rapid.SampledFrom(seeds).Draw(r, "seed")
		for range rapid.IntRange(1, 3).Draw(r, "changes") {
			parts := strings.Split(text, ".")
			i := rapid.IntRange(0, len(parts)-1).Draw(r, "part")
			inside, err := base64.RawURLEncoding.DecodeString(parts[i])
			if len(parts) < 3 || err != nil || rapid.Bool().Draw(r, "outside") {
				text = change(r, text)
				continue
			}
			parts[i] = base64.RawURLEncoding.EncodeToString([]byte(change(r, string(inside))))
			text = strings.Join(parts, ".")
		}
		return text[:min(len(text), longestInput)]
	})
}

// hostile is a web server that answers with the input. Below /honest are metadata and keys of an issuer.
type hostile struct {
	*httptest.Server
	mu   sync.Mutex
	typ  string
	body string
}

func newHostile(t testing.TB, jwks string) *hostile {
	h := &hostile{}
	h.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		defer h.mu.Unlock()
		switch r.URL.Path {
		case "/honest/.well-known/openid-configuration":
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, h.issuer(), h.issuer()+"/jwks")
			return
		case "/honest/jwks":
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(jwks))
			return
		}
		w.Header().Set("Content-Type", h.typ)
		_, _ = w.Write([]byte(h.body))
	}))
	h.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	t.Cleanup(h.Close)
	return h
}

func (h *hostile) issuer() string { return h.URL + "/honest" }

func (h *hostile) answer(typ, body string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.typ, h.body = typ, body
}

func (h *hostile) ca() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.Certificate().Raw})
}

// TestPropertyParserSurvival is property 6 of the attack catalogue: no bytes that somebody else may send panic, take long, or take much memory, wherever
// they are read. What a reader accepts is other tests' business.
func TestPropertyParserSurvival(t *testing.T) {
	clock := testkit.NewClock(noon)
	holder := newHolder(t, clock)
	encode := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	// sign signs anything, also what is no JSON.
	sign := func(typ, claims string) string {
		input := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256","kid":"ec","typ":"`+typ+`"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
		sum, signature := sha256.Sum256([]byte(input)), make([]byte, 64)
		r, s, err := ecdsa.Sign(rand.Reader, holder.Key, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		r.FillBytes(signature[:32])
		s.FillBytes(signature[32:])
		return input + "." + base64.RawURLEncoding.EncodeToString(signature)
	}
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	opener, err := jose.ParseDecryptionKeys(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	if err != nil {
		t.Fatal(err)
	}
	public := maps.Clone(holder.JWK)
	public["kid"], public["alg"], public["use"] = "ec", "ES256", "sig"
	jwks := encode(map[string]any{"keys": []any{public}})
	h := newHostile(t, jwks)
	gate := func(config resourceserver.Issuer) *resourceserver.Verifier {
		config.Issuer, config.CA, config.Audience, config.Timeout = h.issuer(), h.ca(), []string{orders}, 5*time.Second
		v, err := resourceserver.New(resourceserver.Config{Issuers: []resourceserver.Issuer{config}, Now: clock.Now, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(v.Close)
		return v
	}
	claims := encode(map[string]any{
		"iss": h.issuer(), "aud": orders, "sub": "alice", "client_id": "web", "scope": "orders:read", "iat": noon.Unix(), "exp": noon.Add(time.Hour).Unix(),
		"act": map[string]any{"sub": "x"}, "groups": []string{"a"},
	})
	jwt := gate(resourceserver.Issuer{JWKS: []byte(jwks), Decryption: opener})
	verify := func(v *resourceserver.Verifier, token string) { _, _ = v.Verify(context.Background(), token) }
	n := 0
	fresh := func() string { n++; clock.Advance(time.Hour); return fmt.Sprintf("opaque-token-%d", n) }
	introspection := func(signed bool) *resourceserver.Verifier {
		return gate(resourceserver.Issuer{Mode: resourceserver.ModeIntrospect, Introspection: resourceserver.Introspection{
			Endpoint: h.URL + "/introspect", ClientID: "gate", ClientSecret: "gate-secret", Signed: signed,
		}})
	}
	plain, signedOnly := introspection(false), introspection(true)
	active := `{"active":true,` + claims[1:]
	answered := encode(map[string]any{"iss": h.issuer(), "aud": "gate", "iat": noon.Unix(), "token_introspection": json.RawMessage(active)})

	outbound, err := fetch.NewClient(fetch.Options{CA: h.ca(), Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(outbound.Close)
	keysOf := func(c fetch.KeySourceConfig, typ, body string) {
		h.answer(typ, body)
		c.Client, c.Now, c.Log = outbound, clock.Now, slog.New(slog.DiscardHandler)
		s, err := fetch.NewKeySource(c)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		_, _ = s.Find(context.Background(), &jose.Header{Algorithm: "ES256", KeyID: "ec"})
	}

	proofs := &dpop.Verifier{Replays: dpop.NewWindow(100), Nonces: dpop.NewNonces(make([]byte, 32), 0), Now: clock.Now}
	rules := &mcp.Rules{Tools: map[string][]string{"list": {"read"}, "*": {"write"}}}
	certificate := newAuthority(t, "clients").client("app.example.com").Raw
	cert := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}))

	g := possessing(t, nil)
	form := func(method, path string) func(string) {
		return func(input string) {
			r := httptest.NewRequest(method, "/"+envA+"/as/"+path, strings.NewReader(input))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if got := g.do(r); got.status >= http.StatusInternalServerError {
				t.Errorf("%s: status %d for %.200q", path, got.status, input)
			}
		}
	}
	config := declared.Config{Environments: []declared.Environment{{
		Name: "a", ID: envA, Issuer: issuerA, SigningAlgorithm: "ES256", Registration: accepting,
		Resources: []declared.Resource{{Name: "orders", Audience: orders, Scopes: []string{"orders:read"}, Secret: "orders-secret"}},
	}}}
	documents := newRig(t, rigOptions{config: &config, noLimit: true, clock: clock, outbound: authserver.Outbound{
		CA: h.ca(), Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	}})
	document := func(input string) {
		id := h.URL + "/" + fresh()
		h.answer("application/json", strings.ReplaceAll(input, "CLIENT", id))
		q := url.Values{"client_id": {id}, "response_type": {"code"}, "scope": {"openid"}, "redirect_uri": {appCallback}}
		if got := documents.get(issuerA + "/authorize?" + q.Encode()); got.status >= http.StatusInternalServerError {
			t.Errorf("status %d for %.200q", got.status, input)
		}
	}

	// What the servers do when they start, beside this, is not what a reader takes.
	for _, r := range []*rig{g, documents} {
		if err := r.held.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	// The seeds are good, so that what is made of them gets as far as it can.
	if _, err := jwt.Verify(t.Context(), sign("at+jwt", claims)); err != nil {
		t.Fatalf("the good token: %v", err)
	}
	for i, v := range []*resourceserver.Verifier{plain, signedOnly} {
		h.answer([]string{"application/json", "application/token-introspection+jwt"}[i], []string{active, sign("token-introspection+jwt", answered)}[i])
		if _, err := v.Verify(t.Context(), "opaque-token"); err != nil {
			t.Fatalf("the good answer: %v", err)
		}
	}

	seal := func(text string) string {
		encoded := base64.RawURLEncoding.EncodeToString
		header, secrets := encoded([]byte(`{"alg":"RSA-OAEP-256","enc":"A256GCM","cty":"JWT"}`)), make([]byte, 32+12)
		_, _ = rand.Read(secrets)
		key, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &private.PublicKey, secrets[:32], nil)
		if err != nil {
			t.Fatal(err)
		}
		block, err := aes.NewCipher(secrets[:32])
		if err != nil {
			t.Fatal(err)
		}
		gcm, err := cipher.NewGCM(block)
		if err != nil {
			t.Fatal(err)
		}
		out := gcm.Seal(nil, secrets[32:], []byte(text), []byte(header))
		n := len(out) - 16
		return strings.Join([]string{header, encoded(key), encoded(secrets[32:]), encoded(out[:n]), encoded(out[n:])}, ".")
	}
	jwe := seal(sign("at+jwt", claims))
	if _, err := jwt.Verify(t.Context(), jwe); err != nil {
		t.Fatalf("the good encrypted token: %v", err)
	}
	for _, reader := range []struct {
		name  string
		read  func(input string)
		seeds []string
	}{
		{"token", func(s string) { verify(jwt, s) }, []string{sign("at+jwt", claims), sign("JWT", "{}"), "a.b.c"}},
		{"claims of a token", func(s string) { verify(jwt, sign("at+jwt", s)) }, []string{claims, "{}"}},
		{"Authorization header", func(s string) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header["Authorization"] = []string{s}
			_, _ = jwt.Authorize(r, nil)
		}, []string{"Bearer " + sign("at+jwt", claims), "DPoP x", "Basic YTpi, Bearer x"}},
		{"JWE", func(s string) { verify(jwt, s); _, _ = opener.Decrypt(s, jose.Limits{}) }, []string{jwe}},
		{"what is encrypted in a JWE", func(s string) { verify(jwt, seal(s)) }, []string{sign("at+jwt", claims), claims}},
		{"DPoP proof", func(s string) {
			_, _ = proofs.Verify(context.Background(), []string{s}, dpop.Request{Method: "POST", URL: at("token")})
		}, []string{holder.proof("POST", at("token"))}},
		{"claims of a DPoP proof", func(s string) {
			s = s[:min(len(s), 4<<10)] // making one of more takes memory itself
			_, _ = proofs.Verify(context.Background(), []string{holder.proof("POST", s, "jti", s, "nonce", s, "ath", s)}, dpop.Request{Method: "POST", URL: s, AccessToken: s})
		}, []string{at("token"), "https://a.example/%2e%2e/?x#y"}},
		{"key set", func(s string) { keysOf(fetch.KeySourceConfig{JWKSURI: h.URL + "/jwks"}, "application/json", s) }, []string{jwks, `{"keys":[]}`}},
		{"discovery document", func(s string) {
			keysOf(fetch.KeySourceConfig{Issuer: h.URL}, "application/json", s)
		}, []string{encode(map[string]any{"issuer": h.URL, "jwks_uri": h.URL + "/jwks", "introspection_endpoint": h.URL + "/i"})}},
		{"introspection answer", func(s string) { h.answer("application/json", s); verify(plain, fresh()) }, []string{active, `{"active":false}`}},
		{"signed introspection answer", func(s string) {
			h.answer("application/token-introspection+jwt", s)
			verify(signedOnly, fresh())
		}, []string{sign("token-introspection+jwt", answered)}},
		{"claims of a signed introspection answer", func(s string) {
			h.answer("application/token-introspection+jwt", sign("token-introspection+jwt", s))
			verify(signedOnly, fresh())
		}, []string{answered}},
		{"form at the token endpoint", form(http.MethodPost, "token"), []string{
			"grant_type=client_credentials&client_id=api&client_secret=" + url.QueryEscape(attackSecret) + "&scope=orders%3Aread",
			"grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&client_id=app&subject_token=a.b.c&subject_token_type=x",
			"grant_type=authorization_code&client_id=app&code=x&code_verifier=y&redirect_uri=" + url.QueryEscape(appCallback),
			"grant_type=client_credentials&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=" + sign("JWT", claims),
		}},
		{"form of a pushed request", form(http.MethodPost, "par"), []string{
			"client_id=app&response_type=code&scope=openid&redirect_uri=" + url.QueryEscape(appCallback) + "&claims=%7B%22id_token%22%3A%7B%22acr%22%3Anull%7D%7D&authorization_details=%5B%5D",
			"client_id=app&request=" + sign("oauth-authz-req+jwt", claims),
		}},
		{"form of introspection", form(http.MethodPost, "introspect"), []string{"client_id=app&token=" + sign("at+jwt", claims), "client_id=app&token=x&token_type_hint=y"}},
		{"client-ID metadata document", document, []string{encode(map[string]any{
			"client_id": "CLIENT", "client_name": "Agent", "redirect_uris": []string{appCallback}, "grant_types": []string{"authorization_code"},
			"token_endpoint_auth_method": "private_key_jwt", "jwks": json.RawMessage(jwks), "logo_uri": "https://a.example/l",
		})}},
		{"MCP body", func(s string) {
			r := httptest.NewRequest(http.MethodPost, "/mcp", strings.NewReader(s))
			r.Header.Set("Content-Type", "application/json")
			_, _ = rules.Read(httptest.NewRecorder(), r)
		}, []string{
			`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list","arguments":{"a":[1,{"b":null}]}}}`,
			`[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"x"}}]`,
		}},
		{"client certificate header", func(s string) {
			for _, format := range mtls.Formats() {
				_, _ = mtls.Parse(format, []string{s})
			}
		}, []string{":" + base64.StdEncoding.EncodeToString(certificate) + ":", url.PathEscape(cert), `By=a;Subject="CN=\"x\"";Cert="` + url.PathEscape(cert) + `";Hash=1`}},
	} {
		t.Run(strings.ReplaceAll(reader.name, " ", "_"), func(t *testing.T) {
			inputs, until := spoilt(reader.seeds), time.Now().Add(1500*time.Millisecond)
			reader.read(reader.seeds[0]) // what is made once is made
			rapid.Check(t, func(r *rapid.T) {
				if time.Now().After(until) {
					return // the property is as true of fewer
				}
				input := inputs.Draw(r, "input")
				// Others are at work on the machine and in the process, a while at most: what takes too much does so every time.
				var took time.Duration
				var memory uint64
				for try := range 6 {
					time.Sleep(time.Duration(try) * 50 * time.Millisecond)
					start, before := time.Now(), allocated()
					reader.read(input)
					took, memory = time.Since(start), allocated()-before
					if took <= mostTime && memory <= mostMemory {
						return
					}
				}
				r.Fatalf("%d bytes took %v and %d bytes of memory, want at most %v and %d", len(input), took, memory, mostTime, mostMemory)
			})
		})
	}
}

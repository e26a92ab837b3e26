package integration_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// issuer is a hand-made foreign issuer that can be told to misbehave. Its
// tokens are made from raw parts with the standard library alone, so that they
// can be wrong in any way.
type issuer struct {
	server *httptest.Server

	mu       sync.Mutex
	counts   map[string]int
	override map[string]http.HandlerFunc
	keys     []jwkey
	maxAge   string
}

// jwkey is a signing key of an issuer.
type jwkey struct {
	kid string
	key crypto.Signer
	alg string
}

// newIssuer serves a sound issuer over loopback HTTP.
func newIssuer(t testing.TB) *issuer {
	f := unstartedIssuer()
	f.server.Start()
	t.Cleanup(f.server.Close)
	return f
}

func unstartedIssuer() *issuer {
	f := &issuer{counts: map[string]int{}, keys: []jwkey{{"key-1", rsaKey("foreign"), "RS256"}}}
	f.server = httptest.NewUnstartedServer(http.HandlerFunc(f.serve))
	return f
}

func (f *issuer) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.counts[r.URL.Path]++
	override := f.override[r.URL.Path]
	keys, maxAge := f.keys, f.maxAge
	f.mu.Unlock()
	if override != nil {
		override(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if maxAge != "" {
		w.Header().Set("Cache-Control", "max-age="+maxAge)
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		_ = json.NewEncoder(w).Encode(f.metadata())
	case "/jwks":
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": publicKeys(keys)})
	default:
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"error":"not_found"}`))
	}
}

func (f *issuer) metadata() map[string]any {
	return map[string]any{
		"issuer": f.url(), "jwks_uri": f.url() + "/jwks", "introspection_endpoint": f.url() + "/introspect",
		"authorization_endpoint": f.url() + "/authorize", "token_endpoint": f.url() + "/token",
		"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
	}
}

func (f *issuer) url() string { return f.server.URL }

// hits is how often a path was asked for.
func (f *issuer) hits(path string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts[path]
}

// set replaces the handler of one path; nil gives the sound one back.
func (f *issuer) set(path string, h http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.override == nil {
		f.override = map[string]http.HandlerFunc{}
	}
	f.override[path] = h
}

func (f *issuer) publish(maxAge string, keys ...jwkey) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.keys, f.maxAge = keys, maxAge
}

// good are the claims of an acceptable access token.
func (f *issuer) good() map[string]any {
	now := time.Now().Unix()
	return map[string]any{
		"iss": f.url(), "aud": orders, "sub": "user-1", "client_id": "app-1", "scope": "orders:read orders:write",
		"iat": now, "exp": now + 600, "jti": random(),
	}
}

// token is an acceptable token, its claims changed by edit.
func (f *issuer) token(t testing.TB, edit func(c map[string]any)) string {
	t.Helper()
	c := f.good()
	if edit != nil {
		edit(c)
	}
	f.mu.Lock()
	k := f.keys[0]
	f.mu.Unlock()
	return k.token(t, nil, c)
}

// token signs claims; header adds to or replaces members of the usual header (nil value: leaves it out).
func (k jwkey) token(t testing.TB, header, claims map[string]any) string {
	t.Helper()
	h := map[string]any{"alg": k.alg, "kid": k.kid, "typ": "at+jwt"}
	for name, value := range header {
		if value == nil {
			delete(h, name)
		} else {
			h[name] = value
		}
	}
	return k.sign(t, mustJSON(t, h), mustJSON(t, claims))
}

// sign makes a JWS of the two JSON texts as they are.
func (k jwkey) sign(t testing.TB, header, payload []byte) string {
	t.Helper()
	input := b64(header) + "." + b64(payload)
	return input + "." + b64(k.signature(t, input))
}

func (k jwkey) signature(t testing.TB, input string) []byte {
	t.Helper()
	sum := sha256.Sum256([]byte(input))
	hash := crypto.SHA256
	digest := sum[:]
	if k.alg == "ES384" {
		s := sha512.Sum384([]byte(input))
		digest, hash = s[:], crypto.SHA384
	}
	switch key := k.key.(type) {
	case *rsa.PrivateKey:
		if k.alg == "PS256" {
			sig, err := rsa.SignPSS(rand.Reader, key, hash, digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
			if err != nil {
				t.Fatal(err)
			}
			return sig
		}
		sig, err := rsa.SignPKCS1v15(nil, key, hash, digest)
		if err != nil {
			t.Fatal(err)
		}
		return sig
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, key, digest)
		if err != nil {
			t.Fatal(err)
		}
		size := (key.Curve.Params().BitSize + 7) / 8
		return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
	default:
		sig, err := key.Sign(nil, []byte(input), crypto.Hash(0))
		if err != nil {
			t.Fatal(err)
		}
		return sig
	}
}

// hmacToken signs with HS256 and any key at all.
func hmacToken(t testing.TB, key []byte, header, claims map[string]any) string {
	t.Helper()
	h := map[string]any{"alg": "HS256", "typ": "at+jwt"}
	for name, value := range header {
		h[name] = value
	}
	input := b64(mustJSON(t, h)) + "." + b64(mustJSON(t, claims))
	m := hmac.New(sha256.New, key)
	m.Write([]byte(input))
	return input + "." + b64(m.Sum(nil))
}

func ecKey(curve elliptic.Curve) *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		panic(err)
	}
	return k
}

// publicKeys is the JWK form of the keys' public halves.
func publicKeys(keys []jwkey) []map[string]any {
	list := []map[string]any{}
	for _, k := range keys {
		m := map[string]any{"use": "sig"}
		if k.kid != "" {
			m["kid"] = k.kid
		}
		if k.alg != "" {
			m["alg"] = k.alg
		}
		switch pub := k.key.Public().(type) {
		case *rsa.PublicKey:
			m["kty"], m["n"], m["e"] = "RSA", b64(pub.N.Bytes()), b64(big.NewInt(int64(pub.E)).Bytes())
		case *ecdsa.PublicKey:
			size := (pub.Curve.Params().BitSize + 7) / 8
			raw, err := pub.Bytes() // 0x04, X, Y
			if err != nil {
				panic(err)
			}
			m["kty"], m["crv"], m["x"], m["y"] = "EC", pub.Curve.Params().Name, b64(raw[1:1+size]), b64(raw[1+size:])
		}
		list = append(list, m)
	}
	return list
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func mustJSON(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

package integration_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

const (
	sealed       = "https://sealed.example.com"
	sealedSecret = "sealed-secret-Kq81TzWd"

	// A resource with a key, an application for it and others, and one of opaque tokens for it.
	sealedEnvironment = `
			resource sealed {
				audience ` + sealed + `
				scope sealed:read
				secret ` + sealedSecret + `
				attribute note "for sealed alone"
				encryption_key $DIR/sealed.public.json
			}
			application sealed-worker {
				type worker
				secret ` + sealedSecret + `
				allow sealed:read billing:read
				multiple_resources
			}
			application sealed-opaque {
				type worker
				secret ` + sealedSecret + `
				allow sealed:read
				access_token_format opaque
			}`

	sealedSites = `
http://:$SEALED {
	bearer_auth {
		issuer $ISSUER {
			decryption_key $DIR/sealed.key
		}
		audience ` + sealed + `
		scope sealed:read
		forward_claim note X-Note
	}
	reverse_proxy $UPSTREAM
}
http://:$FETCHED {
	bearer_auth {
		issuer $ISSUER {
			verify jwt
			decryption_key $DIR/sealed.key
			insecure_loopback_http
		}
		audience ` + sealed + `
	}
	reverse_proxy $UPSTREAM
}
http://:$WRONG {
	bearer_auth {
		issuer $ISSUER {
			decryption_key $DIR/wrong.key
		}
		audience ` + sealed + `
	}
	reverse_proxy $UPSTREAM
}
http://:$KEYLESS {
	bearer_auth {
		issuer $ISSUER
		audience ` + sealed + `
	}
	reverse_proxy $UPSTREAM
}
http://:$ANSWERED {
	bearer_auth {
		issuer $ISSUER {
			verify introspect
			decryption_key $DIR/sealed.key
			introspection {
				basic sealed ` + sealedSecret + `
				signed
				ttl 1s
			}
			insecure_loopback_http
		}
		audience ` + sealed + `
		forward_claim note X-Note
	}
	reverse_proxy $UPSTREAM
}
http://:$UNREADABLE {
	bearer_auth {
		issuer $ISSUER {
			verify introspect
			decryption_key $DIR/wrong.key
			introspection {
				basic sealed ` + sealedSecret + `
				signed
				ttl 1s
			}
			insecure_loopback_http
		}
		audience ` + sealed + `
	}
	reverse_proxy $UPSTREAM
}
`
)

// writeSealedKeys writes the resource's pair of keys and another private one. It gives the private one.
func writeSealedKeys(t *testing.T, n *node) *ecdsa.PrivateKey {
	t.Helper()
	write := func(name string, key any) {
		t.Helper()
		b, err := json.Marshal(jose.JSONWebKey{Key: key, KeyID: "sealed-1", Use: "enc"})
		if err == nil {
			err = os.WriteFile(filepath.Join(n.dir, name), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var keys [2]*ecdsa.PrivateKey
	for i := range keys {
		var err error
		if keys[i], err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			t.Fatal(err)
		}
	}
	write("sealed.public.json", keys[0].Public())
	write("sealed.key", keys[0])
	write("wrong.key", keys[1])
	return keys[0]
}

// unsealed opens a compact JWE with go-jose, a second opinion on the format.
func unsealed(t *testing.T, raw string, key *ecdsa.PrivateKey) (inside string, header jose.Header) {
	t.Helper()
	jwe, err := jose.ParseEncryptedCompact(raw, []jose.KeyAlgorithm{jose.ECDH_ES_A256KW}, []jose.ContentEncryption{jose.A256GCM})
	if err != nil {
		t.Fatal(err)
	}
	plain, err := jwe.Decrypt(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(plain), jwe.Header
}

// TestEncryptedTokens: what the server encrypts to a resource, its gate opens, and nobody else: access tokens and signed answers of introspection.
// Whoever ends a token by what it is outside ends what is inside.
func TestEncryptedTokens(t *testing.T) {
	c := config{
		env: sealedEnvironment, sites: sealedSites, ports: []string{"sealed", "fetched", "wrong", "keyless", "answered", "unreadable"},
	}
	n := prepare(t, c)
	key := writeSealedKeys(t, n)
	n.secret("the applications' secret", sealedSecret)
	n.run(t)
	machine, resource := basic("sealed-worker", sealedSecret), basic("sealed", sealedSecret)

	token := n.token(t, machine, "sealed:read")
	inside, header := unsealed(t, token, key)
	if strings.Count(inside, ".") != 2 || header.KeyID != "sealed-1" || header.ExtraHeaders["cty"] != "JWT" || header.ExtraHeaders["typ"] != "at+jwt" {
		t.Errorf("header %+v around %d parts, want kid, cty JWT and typ at+jwt around a signed token", header, strings.Count(inside, ".")+1)
	}
	for port, want := range map[string]int{"sealed": 200, "fetched": 200, "answered": 200, "wrong": 401, "keyless": 401, "unreadable": 401} {
		a := n.call(t, port, "/", token)
		if a.status != want || want == 401 && !strings.Contains(a.challenge(), "invalid_token") {
			t.Errorf("%s: %d %s, want %d", port, a.status, a.challenge(), want)
		}
		if port == "sealed" && n.upstream.last().header.Get("X-Note") != "for sealed alone" {
			t.Errorf("X-Note = %q, want the mapped claim", n.upstream.last().header.Get("X-Note"))
		}
	}

	members := func(auth func(*http.Request), raw string) []string {
		var names []string
		for name := range n.introspect(t, auth, raw) {
			names = append(names, name)
		}
		slices.Sort(names)
		return names
	}
	if got, want := members(machine, token), []string{"active", "aud", "client_id", "exp", "iat", "iss", "scope", "token_type"}; !slices.Equal(got, want) {
		t.Errorf("its application is told %q, want %q", got, want)
	}
	if got := members(resource, token); !slices.Contains(got, "note") || !slices.Contains(got, "jti") {
		t.Errorf("the resource is told %q, want all", got)
	}
	req := formRequest(n.vars["ISSUER"]+"/introspect", resource, "token", token)
	req.Header.Set("Accept", "application/token-introspection+jwt")
	if answer, header := unsealed(t, n.do(t, req).body, key); header.ExtraHeaders["cty"] != "JWT" || strings.Count(answer, ".") != 2 {
		t.Errorf("the answer has a header %+v, want a signed answer that is encrypted", header)
	}

	// A gate that asks cannot read answers that are encrypted to somebody else: it knows nothing, and lets nobody through.
	opaque := n.token(t, basic("sealed-opaque", sealedSecret), "sealed:read")
	for port, want := range map[string]int{"sealed": 200, "answered": 200, "unreadable": 503} {
		if a := n.call(t, port, "/", opaque); a.status != want {
			t.Errorf("%s with an opaque token: %d, want %d", port, a.status, want)
		}
	}

	a := n.form(t, "/token", machine, "grant_type", "client_credentials")
	if a.status != 400 || !strings.Contains(a.body, "invalid_target") {
		t.Errorf("a token for two resources: %d %s, want invalid_target", a.status, a.body)
	}
	plain := n.tokenFrom(t, n.form(t, "/token", machine, "grant_type", "client_credentials", "resource", billing))
	if strings.Count(plain, ".") != 2 {
		t.Error("the token for the other resource is not a signed one")
	}

	// Somebody writes the token's handle into the header of a JWE of their own: that ends nothing and shows nothing.
	handle, _ := header.ExtraHeaders["token_handle"].(string)
	opts := (&jose.EncrypterOptions{}).WithContentType("JWT").WithHeader("token_handle", handle)
	enc, err := jose.NewEncrypter(jose.A256GCM, jose.Recipient{Algorithm: jose.ECDH_ES_A256KW, Key: key.Public(), KeyID: "sealed-1"}, opts)
	if err != nil {
		t.Fatal(err)
	}
	forged, err := enc.Encrypt([]byte(inside[:len(inside)-4] + "AAAA"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := forged.CompactSerialize()
	if err != nil || handle == "" {
		t.Fatalf("handle %q: %v", handle, err)
	}
	if m := n.introspect(t, resource, text); m["active"] != false {
		t.Errorf("a forged one: %v, want inactive", m)
	}
	n.revoke(t, machine, text)
	if a := n.call(t, "sealed", "/", text); a.status != 401 {
		t.Errorf("the gate and a forged one: %d, want 401", a.status)
	}
	for what, raw := range map[string]string{"the token itself": token, "what is inside": inside} {
		if a := n.call(t, "sealed", "/", raw); a.status != 200 {
			t.Fatalf("%s has ended: %d", what, a.status)
		}
	}

	n.revoke(t, machine, token)
	for _, raw := range []string{token, inside} {
		if a := n.call(t, "sealed", "/", raw); a.status != 401 || !strings.Contains(a.challenge(), "invalid_token") {
			t.Errorf("after the revocation: %d %s, want 401 at once", a.status, a.challenge())
		}
		if m := n.introspect(t, resource, raw); m["active"] != false || len(m) != 1 {
			t.Errorf("introspection after the revocation = %v", m)
		}
	}
	eventually(t, 30e9, "the gate that asks refuses", func() bool { return n.call(t, "answered", "/", token).status == 401 })
}

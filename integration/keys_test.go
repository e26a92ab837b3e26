package integration_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// rsaKey makes a key once per name: drawing RSA keys is slow.
func rsaKey(name string) *rsa.PrivateKey {
	rsaKeys.Lock()
	defer rsaKeys.Unlock()
	if k, ok := rsaKeys.byName[name]; ok {
		return k
	}
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	rsaKeys.byName[name] = k
	return k
}

var rsaKeys = struct {
	sync.Mutex
	byName map[string]*rsa.PrivateKey
}{byName: map[string]*rsa.PrivateKey{}}

// writeClientKeys writes the public keys of the client that authenticates with
// private_key_jwt.
func writeClientKeys(t testing.TB, n *node) {
	t.Helper()
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
		{Key: rsaKey("signer").Public(), KeyID: "signer-1", Algorithm: "RS256", Use: "sig"},
	}}
	b, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(n.dir, "signer.jwks.key"), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// signed makes a compact JWS with go-jose, a second opinion on the format.
func signed(t testing.TB, alg jose.SignatureAlgorithm, key any, kid, typ string, claims map[string]any) string {
	t.Helper()
	opts := (&jose.SignerOptions{})
	if typ != "" {
		opts = opts.WithType(jose.ContentType(typ))
	}
	if kid != "" {
		opts = opts.WithHeader("kid", kid)
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, opts)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := s.Sign(b)
	if err != nil {
		t.Fatal(err)
	}
	text, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// assertion is a client assertion (RFC 7523 §3) for the client, changed by edit.
func assertion(client, audience string, edit func(map[string]any)) map[string]any {
	now := time.Now().Unix()
	c := map[string]any{"iss": client, "sub": client, "aud": audience, "iat": now, "exp": now + 300, "jti": random()}
	if edit != nil {
		edit(c)
	}
	return c
}

func random() string { return rand.Text() }

package main

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// issuer is a foreign authorization server, just enough of one for a gate to
// trust it: a key, its JWK Set, an introspection endpoint for opaque tokens.
// What the gate asks it is counted.
type issuer struct {
	url    string
	key    *rsa.PrivateKey
	server *http.Server

	jwksFetches, introspections atomic.Int64
	minted                      int
}

const (
	audience       = "https://orders.example.com"
	tokenScope     = "orders:read"
	issuerKeyID    = "bench-1"
	gateClient     = "bench-gate"
	gateSecret     = "bench-gate-secret"
	opaquePrefix   = "opaque-bench-token-"
	foreignExpires = 24 * time.Hour // no run is that long
)

func startIssuer() (*issuer, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	is := &issuer{url: "http://" + l.Addr().String(), key: key}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /jwks", is.serveJWKS)
	mux.HandleFunc("POST /introspect", is.serveIntrospection)
	is.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = is.server.Serve(l) }() // always ErrServerClosed in the end
	return is, nil
}

func (is *issuer) close() { _ = is.server.Shutdown(context.Background()) }

func (is *issuer) serveJWKS(w http.ResponseWriter, _ *http.Request) {
	is.jwksFetches.Add(1)
	e := big.NewInt(int64(is.key.E)).Bytes()
	writeJSON(w, map[string]any{"keys": []any{map[string]string{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": issuerKeyID,
		"n": encode(is.key.N.Bytes()), "e": encode(e),
	}}})
}

// serveIntrospection knows every token that has the benchmark's prefix.
func (is *issuer) serveIntrospection(w http.ResponseWriter, r *http.Request) {
	is.introspections.Add(1)
	id, secret, _ := r.BasicAuth()
	if id != gateClient || secret != gateSecret {
		http.Error(w, "who asks?", http.StatusUnauthorized)
		return
	}
	token := r.FormValue("token")
	if len(token) < len(opaquePrefix) || token[:len(opaquePrefix)] != opaquePrefix {
		writeJSON(w, map[string]any{"active": false})
		return
	}
	claims := is.claims(token)
	claims["active"] = true
	claims["token_type"] = "Bearer"
	writeJSON(w, claims)
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // a gate that hung up has its own failure
}

// claims are a realistic access token's.
func (is *issuer) claims(id string) map[string]any {
	now := time.Now()
	return map[string]any{
		"iss": is.url, "aud": []string{audience}, "sub": "user-" + id, "client_id": "bench-client",
		"scope": tokenScope + " orders:write", "jti": id,
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(foreignExpires).Unix(),
	}
}

// mint signs n distinct RS256 tokens, on as many cores as the process may use.
func (is *issuer) mint(n int) ([]string, error) {
	tokens := make([]string, n)
	from := is.minted
	is.minted += n
	workers := runtime.GOMAXPROCS(0)
	errs := make([]error, workers)
	var wait sync.WaitGroup
	for w := range workers {
		wait.Go(func() {
			for i := w; i < n && errs[w] == nil; i += workers {
				tokens[i], errs[w] = is.sign(fmt.Sprintf("%08d", from+i))
			}
		})
	}
	wait.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return tokens, nil
}

func (is *issuer) sign(id string) (string, error) {
	input, err := is.signingInput(issuerKeyID, is.claims(id))
	if err != nil {
		return "", err
	}
	return is.signed(input)
}

// bound is a token for who has the DPoP key with this thumbprint.
func (is *issuer) bound(jkt string) (string, error) {
	claims := is.claims("bound-" + jkt)
	claims["cnf"] = map[string]string{"jkt": jkt}
	input, err := is.signingInput(issuerKeyID, claims)
	if err != nil {
		return "", err
	}
	return is.signed(input)
}

func (is *issuer) signed(input string) (string, error) {
	digest := sha256.Sum256([]byte(input))
	signature, err := rsa.SignPKCS1v15(nil, is.key, crypto.SHA256, digest[:])
	if err != nil {
		return "", err
	}
	return input + "." + encode(signature), nil
}

// forge makes n tokens whose signatures are noise; keyID gives each one's kid.
// The noise is below the modulus, so that a verifier has to do its whole work.
func (is *issuer) forge(n int, keyID func(i int) string) ([]string, error) {
	tokens := make([]string, n)
	for i := range tokens {
		input, err := is.signingInput(keyID(i), is.claims(fmt.Sprintf("forged-%d", i)))
		if err != nil {
			return nil, err
		}
		signature := make([]byte, is.key.Size())
		_, _ = rand.Read(signature[1:]) // never fails
		tokens[i] = input + "." + encode(signature)
	}
	return tokens, nil
}

func (is *issuer) signingInput(keyID string, claims map[string]any) (string, error) {
	header, err := json.Marshal(map[string]string{"alg": "RS256", "typ": "at+jwt", "kid": keyID})
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	return encode(header) + "." + encode(payload), nil
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

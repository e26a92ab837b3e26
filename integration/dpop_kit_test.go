package integration_test

import (
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"testing"
	"time"
)

// dpopKey is a client's key, whose proofs are made by hand so that they can be wrong.
type dpopKey struct{ jwkey }

func newDPoPKey() dpopKey { return dpopKey{jwkey{key: ecKey(elliptic.P256()), alg: "ES256"}} }

// public is the key as a proof has it.
func (k dpopKey) public() map[string]any {
	public := publicKeys([]jwkey{k.jwkey})[0]
	delete(public, "use")
	delete(public, "alg")
	return public
}

// thumbprint is RFC 7638's.
func (k dpopKey) thumbprint(t testing.TB) string {
	t.Helper()
	sum := sha256.Sum256(mustJSON(t, k.public())) // the members of an EC key, in their order
	return b64(sum[:])
}

// proof is a good one for a request, changed by edit. token is "" where there is none.
func (k dpopKey) proof(t testing.TB, method, url, token string, edit func(header, claims map[string]any)) string {
	t.Helper()
	header := map[string]any{"typ": "dpop+jwt", "jwk": k.public()}
	claims := map[string]any{"jti": random(), "htm": method, "htu": url, "iat": time.Now().Unix()}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		claims["ath"] = b64(sum[:])
	}
	if edit != nil {
		edit(header, claims)
	}
	header["kid"] = nil // jwkey would name one
	return k.token(t, header, claims)
}

// dpopToken gets a client-credentials token that is bound to a key, from the issuer's token endpoint.
func (n *node) dpopToken(t testing.TB, k dpopKey, auth func(*http.Request), scope string) string {
	t.Helper()
	at := n.vars["ISSUER"] + "/token"
	a := n.formAt(t, at, func(r *http.Request) {
		auth(r)
		proof := k.proof(t, http.MethodPost, at, "", nil)
		n.secret("a DPoP proof", proof)
		r.Header.Set("DPoP", proof)
	}, "grant_type", "client_credentials", "scope", scope)
	var body struct {
		AccessToken string `json:"access_token"`
		TokenType   string `json:"token_type"`
	}
	if a.status != http.StatusOK || json.Unmarshal([]byte(a.body), &body) != nil || body.TokenType != "DPoP" {
		t.Fatalf("token response = %d %s, want 200 and a DPoP token", a.status, a.body)
	}
	n.secret("an access token", body.AccessToken)
	return body.AccessToken
}

// prove sends a GET with a token and a proof, in the scheme that goes with them.
func (n *node) prove(t testing.TB, port, path, token, proof string) answer {
	t.Helper()
	n.secret("a DPoP proof", proof)
	req := n.callRequest(port, path, "")
	req.Header.Set("Authorization", "DPoP "+token)
	req.Header.Set("DPoP", proof)
	return n.do(t, req)
}

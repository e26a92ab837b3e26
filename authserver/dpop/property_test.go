package dpop_test

import (
	"context"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/caddy-gatehouse/gatehouse/authserver/dpop"
)

// TestPropertyAbsentProofMember: no member that a rule reads can be left out, alone or with others (property 4 of the attack
// catalogue: what is absent never turns a refusal into a pass).
func TestPropertyAbsentProofMember(t *testing.T) {
	nonces := dpop.NewNonces(make([]byte, 32), 0)
	members := []string{"typ", "alg", "jwk", "jti", "htm", "htu", "iat", "ath", "nonce"}
	rapid.Check(t, func(t *rapid.T) {
		header, claims := goodHeader(), goodClaims().with("nonce", nonces.Current(now))
		gone := rapid.SliceOfNDistinct(rapid.SampledFrom(members), 0, len(members), rapid.ID).Draw(t, "gone")
		for _, name := range gone {
			header, claims = header.with(name, nil), claims.with(name, nil)
		}
		v := newVerifier()
		v.Nonces = nonces
		_, err := v.Verify(context.Background(), []string{proof(header, claims)}, request)
		if (err == nil) != (len(gone) == 0) {
			t.Fatalf("without %v: %v", gone, err)
		}
	})
}

// TestPropertyProofIsForOneRequest: a proof passes for the request that it was made for, once, and for no other, and none passes that was
// changed on its way.
func TestPropertyProofIsForOneRequest(t *testing.T) {
	requests := rapid.Custom(func(t *rapid.T) dpop.Request {
		return dpop.Request{
			Method:      rapid.SampledFrom([]string{"GET", "POST", "get"}).Draw(t, "method"),
			URL:         rapid.SampledFrom([]string{"https://a.example/x", "https://a.example/X", "https://a.example/x/", "http://a.example/x", "https://b.example/x", "https://a.example"}).Draw(t, "url"),
			AccessToken: rapid.SampledFrom([]string{"t", "T", "t "}).Draw(t, "token"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		made, asked := requests.Draw(t, "made"), requests.Draw(t, "asked")
		text := proof(goodHeader(), goodClaims().with("htm", made.Method).with("htu", made.URL).with("ath", ath(made.AccessToken)))
		v := newVerifier()
		if made != asked {
			if _, err := v.Verify(context.Background(), []string{text}, asked); err == nil {
				t.Fatal("passed for another request")
			}
		}
		at := rapid.IntRange(0, len(text)-1).Draw(t, "at")
		const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
		changed := text[:at] + string(alphabet[(strings.IndexByte(alphabet, text[at])+rapid.IntRange(1, len(alphabet)-1).Draw(t, "by"))%len(alphabet)]) + text[at+1:]
		if _, err := v.Verify(context.Background(), []string{changed}, made); err == nil {
			t.Fatalf("passed with another character at %d", at)
		}
		if _, err := v.Verify(context.Background(), []string{text}, made); err != nil {
			t.Fatalf("refused for its own request: %v", err)
		}
		if _, err := v.Verify(context.Background(), []string{text}, made); err == nil {
			t.Fatal("passed twice")
		}
	})
}

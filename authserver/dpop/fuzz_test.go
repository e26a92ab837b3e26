package dpop_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/dpop"
)

// FuzzVerify: whatever comes as a proof, nothing panics, errors are *Error, and what is accepted is refused the second time.
func FuzzVerify(f *testing.F) {
	f.Add(rfcTokenProof, "https://server.example.com/token", "")
	f.Add(rfcResourceProof, "https://resource.example.org/protectedresource", rfcAccessToken)
	f.Add("..", "", "")
	f.Add(proof(goodHeader(), goodClaims()), requestURL, token)
	n := dpop.NewNonces(make([]byte, 32), 0)
	f.Fuzz(func(t *testing.T, text, url, token string) {
		for _, nonces := range []*dpop.Nonces{nil, n} {
			v := &dpop.Verifier{Replays: dpop.NewWindow(10), Nonces: nonces, Now: func() time.Time { return time.Unix(1562262617, 0) }}
			r := dpop.Request{Method: "POST", URL: url, AccessToken: token}
			for range 2 {
				_, err := v.Verify(context.Background(), []string{text}, r)
				if e, ok := errors.AsType[*dpop.Error](err); err != nil && (!ok || e.Reason == "" || e.Description == "") {
					t.Fatalf("error %v is a %T", err, err)
				}
				if err == nil {
					if _, again := v.Verify(context.Background(), []string{text}, r); again == nil {
						t.Fatal("accepted twice")
					}
				}
			}
		}
	})
}

// FuzzHTU: comparing URLs panics for nothing, and takes each URL for itself.
func FuzzHTU(f *testing.F) {
	f.Add("https://a.example/x/../y?z", "https://a.example/%79")
	f.Fuzz(func(t *testing.T, htu, url string) {
		p := proof(goodHeader(), goodClaims().with("htu", htu))
		for _, u := range []string{url, htu} {
			_, err := newVerifier().Verify(context.Background(), []string{p}, dpop.Request{Method: "POST", URL: u, AccessToken: token})
			if _, ok := errors.AsType[*dpop.Error](err); err != nil && !ok {
				t.Fatalf("error %v is a %T", err, err)
			}
		}
	})
}

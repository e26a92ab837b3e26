package resourceserver_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/dpop"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

// silent is an Observer that costs nothing, as a host's counters nearly do.
type silent struct{}

func (silent) Decided(int, resourceserver.Reason)          {}
func (silent) Verified(resourceserver.Path, time.Duration) {}
func (silent) KeysRefreshed(int, bool)                     {}
func (silent) Introspected(int, string, time.Duration)     {}

func benchGate(b *testing.B, is resourceserver.Issuer) *resourceserver.Verifier {
	b.Helper()
	v, err := resourceserver.New(resourceserver.Config{Issuers: []resourceserver.Issuer{is}, Observer: silent{}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(v.Close)
	return v
}

func liveClaims(issuer string) claims {
	c := newClock()
	c.ns.Store(time.Now().UnixNano())
	return goodClaims(issuer, c)
}

var benchPolicy = &resourceserver.Policy{Scopes: []string{"orders:read"}, Realm: "orders"}

func hot(b *testing.B, v *resourceserver.Verifier, r *http.Request) {
	b.Helper()
	if _, err := v.Authorize(r, benchPolicy); err != nil {
		b.Fatal(err)
	}
	v.Settle()
	b.Run("serial", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := v.Authorize(r, benchPolicy); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := v.Authorize(r, benchPolicy); err != nil {
					b.Error(err)
				}
			}
		})
	})
}

// BenchmarkHotJWT is a token seen before, the policy included. Target: at most 1 µs.
func BenchmarkHotJWT(b *testing.B) {
	p := newProvider(b, keySet(rsaKey()))
	v := benchGate(b, p.jwt())
	hot(b, v, bearer(sign(liveClaims(p.issuer))))
}

// BenchmarkHotIntrospected is an opaque token seen before.
func BenchmarkHotIntrospected(b *testing.B) {
	p := newProvider(b, nil)
	p.set(func(p *provider) {
		p.introspect = answers(liveClaims(p.issuer).with(claims{"active": true}).json())
	})
	hot(b, benchGate(b, p.introspected()), bearer("mF_9.B5f-4.1JqM"))
}

// BenchmarkHotLocal is a token of an issuer in this process, seen before.
func BenchmarkHotLocal(b *testing.B) {
	l, _, issuer := newLocal(b, newClock())
	hot(b, benchGate(b, resourceserver.Issuer{Issuer: issuer, Local: l, Audience: []string{audience}}), bearer(sign(liveClaims(issuer))))
}

// BenchmarkHotLocalOpaque is a token of such an issuer that is no JWT, seen before.
func BenchmarkHotLocalOpaque(b *testing.B) {
	l, _, issuer := newLocal(b, newClock())
	hot(b, benchGate(b, resourceserver.Issuer{Issuer: issuer, Local: l, Audience: []string{audience}}), bearer(l.issue("opaque", liveClaims(issuer))))
}

// BenchmarkColdJWT is a token never seen: one RS256 verification and the strict reading around it.
func BenchmarkColdJWT(b *testing.B) {
	is := fixed(rsaKey())
	v := benchGate(b, is)
	base := liveClaims(is.Issuer)
	tokens := make([]string, 512)
	for i := range tokens {
		tokens[i] = sign(base.with(claims{"jti": fmt.Sprint(i)}))
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if n%len(tokens) == 0 { // forget them all
			b.StopTimer()
			v = benchGate(b, is)
			b.StartTimer()
		}
		if _, err := v.Verify(context.Background(), tokens[n%len(tokens)]); err != nil {
			b.Fatal(err)
		}
		n++
	}
}

// BenchmarkRefusedFlood is 10,000 bad tokens in turn, by what is wrong with them.
func BenchmarkRefusedFlood(b *testing.B) {
	const distinct = 10_000
	is := fixed(rsaKey(), ecKey())
	good := sign(liveClaims(is.Issuer))
	payload := liveClaims(is.Issuer).json()
	for name, token := range map[string]func(i int) string{
		"signature":   func(i int) string { return good[:len(good)-12] + fmt.Sprintf("%08x", i) + good[len(good)-4:] },
		"unknown kid": func(i int) string { return unsigned(fmt.Sprintf(`{"alg":"RS256","kid":"k%d"}`, i), payload) + ".AAAA" },
		"garbage":     func(i int) string { return fmt.Sprintf("garbage-%d", i) },
	} {
		b.Run(name, func(b *testing.B) {
			v := benchGate(b, is)
			requests := make([]*http.Request, distinct)
			for i := range requests {
				requests[i] = bearer(token(i))
			}
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				if _, err := v.Authorize(requests[n%distinct], benchPolicy); err == nil {
					b.Fatal("a bad token was accepted")
				}
				n++
			}
		})
	}
}

// everNew is a Replays to which every proof is new, so that a few can be used again and again.
type everNew struct{}

func (everNew) Spend(context.Context, dpop.Owner, [32]byte, time.Time, time.Time) error { return nil }

// BenchmarkDPoP is a token seen before, and a proof that was not: next to what the machine's ES256 takes by itself.
func BenchmarkDPoP(b *testing.B) {
	c := newClock()
	is := fixed(rsaKey())
	v := must(resourceserver.New(resourceserver.Config{Issuers: []resourceserver.Issuer{is}, Observer: silent{}, Now: c.Now}))
	defer v.Close()
	token := sign(alice().bound(goodClaims(is.Issuer, c)))
	p := possession(c)
	p.DPoP.Replays = everNew{}
	policy := &resourceserver.Policy{Possession: p, Scopes: []string{"orders:read"}}
	r := presented("DPoP", token, alice().proof(c, token, nil))
	if _, err := v.Authorize(r, policy); err != nil {
		b.Fatal(err)
	}
	v.Settle()
	b.Run("gate", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := v.Authorize(r, policy); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("raw ES256", func(b *testing.B) {
		digest := sha256.Sum256([]byte(token))
		sig := must(ecdsa.SignASN1(rand.Reader, alice().key, digest[:]))
		for b.Loop() {
			if !ecdsa.VerifyASN1(&alice().key.PublicKey, digest[:], sig) {
				b.Fatal("bad signature")
			}
		}
	})
}

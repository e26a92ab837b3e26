package dpop_test

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/dpop"
)

func newKey(t testing.TB) []byte {
	t.Helper()
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		t.Fatal(err)
	}
	return key
}

// TestNonces: each is good for its life at all who have the key, and is renewed while it still is.
func TestNonces(t *testing.T) {
	key := newKey(t)
	n, other := dpop.NewNonces(key, 4*time.Minute), dpop.NewNonces(newKey(t), 4*time.Minute)
	node := dpop.NewNonces(key, 4*time.Minute)
	nonce := n.Current(now)
	if again := n.Current(now.Add(time.Second)); again != nonce {
		t.Errorf("a second later the nonce is another: %s, %s", nonce, again)
	}
	if strings.Trim(nonce, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" || len(nonce) > 64 {
		t.Errorf("nonce %q is not short and plain (RFC 9449 §8.1)", nonce)
	}
	flipped := []byte(nonce)
	flipped[len(flipped)-2] ^= 1
	tests := []struct {
		name      string
		by        *dpop.Nonces
		nonce     string
		after     time.Duration
		ok, renew bool
	}{
		{"now", n, nonce, 0, true, false},
		{"at another node", node, nonce, 0, true, false},
		{"at a node whose clock is behind", node, nonce, -30 * time.Second, true, false},
		{"after a step", n, nonce, time.Minute, true, true},
		{"at the end of its life", n, nonce, 4 * time.Minute, true, true},
		{"stale", n, nonce, 5 * time.Minute, false, false},
		{"stale for long", n, nonce, 100 * time.Hour, false, false},
		{"long before it was made", n, nonce, -5 * time.Minute, false, false},
		{"foreign", other, nonce, 0, false, false},
		{"empty", n, "", 0, false, false},
		{"changed", n, string(flipped), 0, false, false},
		{"longer", n, nonce + "AAAA", 0, false, false},
		{"cut", n, nonce[:len(nonce)-4], 0, false, false},
		{"with a line break", n, nonce[:4] + "\n" + nonce[4:], time.Minute, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ok, renew := tt.by.Valid(tt.nonce, now.Add(tt.after))
			if ok != tt.ok || renew != tt.renew {
				t.Errorf("Valid = %v, %v, want %v, %v", ok, renew, tt.ok, tt.renew)
			}
		})
	}
}

// TestAttack85Nonce: a proof without a nonce of ours, where they are demanded, is answered with use_dpop_nonce, and is not spent.
func TestAttack85Nonce(t *testing.T) {
	n := dpop.NewNonces(newKey(t), 0)
	v := newVerifier()
	v.Nonces = n
	with := func(nonce any) string { return proof(goodHeader(), goodClaims().with("nonce", nonce)) }
	for _, tt := range []struct{ name, proof, want string }{
		{"current", with(n.Current(now)), ""},
		{"missing", with(nil), "use_dpop_nonce nonce"},
		{"a number", with(1), "use_dpop_nonce nonce"},
		{"stale", with(n.Current(now.Add(-7 * time.Minute))), "use_dpop_nonce nonce"},
		{"foreign", with(dpop.NewNonces(newKey(t), 0).Current(now)), "use_dpop_nonce nonce"},
		{"of five minutes ago", with(n.Current(now.Add(-5 * time.Minute))), ""},
		{"missing, for another method", proof(goodHeader(), goodClaims().with("htm", "GET")), "invalid_dpop_proof htm"},
		{"current, an hour old", proof(goodHeader(), goodClaims().with("nonce", n.Current(now)).with("iat", now.Add(-time.Hour).Unix())), "invalid_dpop_proof iat"},
		{"current, another key's signature", forge(goodHeader().String(), goodClaims().with("nonce", n.Current(now)).String(), byEC(keys().other)), "invalid_dpop_proof signature"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := judge(t, v, request, tt.proof); got != tt.want {
				t.Errorf("refused for %q, want %q", got, tt.want)
			}
		})
	}

	t.Run("not spent", func(t *testing.T) {
		p := with(n.Current(now))
		stale := newVerifier()
		stale.Nonces, stale.Replays = dpop.NewNonces(newKey(t), 0), v.Replays
		if got := judge(t, stale, request, p); got != "use_dpop_nonce nonce" {
			t.Fatalf("refused for %q, want use_dpop_nonce", got)
		}
		if got := judge(t, v, request, p); got != "" {
			t.Errorf("where the nonce is good, refused for %q", got)
		}
	})
	t.Run("renewed in time", func(t *testing.T) {
		for nonce, want := range map[string]bool{n.Current(now): false, n.Current(now.Add(-2 * time.Minute)): true} {
			p, err := v.Verify(context.Background(), []string{with(nonce)}, request)
			if err != nil || p.RenewNonce != want {
				t.Errorf("Verify = %+v, %v, want RenewNonce %v", p, err, want)
			}
		}
	})
}

// TestNoncesLater: until their key can be had, no proof is called good or bad.
func TestNoncesLater(t *testing.T) {
	down := errors.New("no key yet")
	real, err := dpop.NewNonces(newKey(t), 0), down
	n := dpop.NoncesLater(func() (*dpop.Nonces, error) { return real, err })
	v := newVerifier()
	v.Nonces = n
	p := proof(goodHeader(), goodClaims().with("nonce", real.Current(now)))
	_, got := v.Verify(context.Background(), []string{p}, request)
	if _, bad := errors.AsType[*dpop.Error](got); bad || !errors.Is(got, down) {
		t.Errorf("error = %v, want %v", got, down)
	}
	if n.Current(now) != "" || n.Ready() == nil {
		t.Errorf("there is a nonce %q, and Ready = %v", n.Current(now), n.Ready())
	}
	err = nil
	if got := judge(t, v, request, p); got != "" {
		t.Errorf("refused for %q", got)
	}
	if n.Current(now) != real.Current(now) || n.Ready() != nil {
		t.Errorf("Current = %q, Ready = %v, want %q", n.Current(now), n.Ready(), real.Current(now))
	}
}

package assertion_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/assertion"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

// TestSign: what an assertion says.
func TestSign(t *testing.T) {
	clock := newClock()
	text := must(newSigner(clock).Sign(context.Background(), request(clock)))
	sum := sha256.Sum256([]byte(token))
	want := map[string]any{
		"iss": gate, "aud": upstream, "iat": json.Number("1772366400"), "exp": json.Number("1772366460"), "htm": "POST", "target": target,
		"ath": base64.RawURLEncoding.EncodeToString(sum[:]), "token_issuer": "https://as.example.com",
		"sub": "alice", "client_id": "web", "scope": "read write", "email": "alice@example.com", "groups": []any{"a", "b"},
	}
	if diff := cmp.Diff(want, payload(t, text)); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
	header := must(base64.RawURLEncoding.DecodeString(part(text, 0)))
	if want := fmt.Sprintf(`{"alg":"ES256","kid":%q,"typ":"gatehouse-assertion+jwt"}`, key().ID()); string(header) != want {
		t.Errorf("header = %s, want %s", header, want)
	}
	anonymous := payload(t, must(newSigner(clock).Sign(context.Background(), assertion.Request{Method: "GET", Target: "/"})))
	for _, name := range []string{"sub", "ath", "token_issuer", "client_id", "scope"} {
		if v, ok := anonymous[name]; ok {
			t.Errorf("anonymous: %s = %v, want none", name, v)
		}
	}
}

// TestSignLife: an assertion ends with the token where that is earlier, and lives a few seconds at least.
func TestSignLife(t *testing.T) {
	for _, tt := range []struct {
		life, token time.Duration // 0: the token has no end
		want        time.Duration
	}{
		{0, time.Hour, time.Minute},
		{0, 0, time.Minute},
		{2 * time.Minute, time.Hour, 2 * time.Minute},
		{0, 20 * time.Second, 20 * time.Second},
		{0, time.Second, 5 * time.Second},
		{0, -10 * time.Second, 5 * time.Second}, // the gate allows for clocks that differ
	} {
		clock := newClock()
		s := newSigner(clock)
		s.Life = tt.life
		r := request(clock)
		r.Claims = claimsOf(clock, map[string]any{"exp": clock.Now().Add(tt.token).Unix()})
		if tt.token == 0 {
			r.Claims = must(jose.ParseClaims([]byte(`{"sub":"alice"}`), jose.Limits{}))
		}
		got := must(payload(t, must(s.Sign(context.Background(), r)))["exp"].(json.Number).Int64()) - clock.Now().Unix()
		if got != int64(tt.want/time.Second) {
			t.Errorf("life %v, token %v: %d s, want %v", tt.life, tt.token, got, tt.want)
		}
	}
}

// TestSignAgain: the same request gets the same assertion for a quarter of its life, and any other its own.
func TestSignAgain(t *testing.T) {
	clock := newClock()
	s := newSigner(clock)
	r := request(clock)
	first := must(s.Sign(context.Background(), r))
	for name, change := range map[string]func(*assertion.Request){
		"method":           func(r *assertion.Request) { r.Method = "GET" },
		"target":           func(r *assertion.Request) { r.Target += "c" },
		"token":            func(r *assertion.Request) { r.Token += "c" },
		"issuer":           func(r *assertion.Request) { r.TokenIssuer += "c" },
		"claims":           func(r *assertion.Request) { r.Claims = claimsOf(clock, nil) },
		"method in target": func(r *assertion.Request) { r.Method, r.Target = "POS", "T"+r.Target },
	} {
		other := r
		change(&other)
		if got := must(s.Sign(context.Background(), other)); got == first {
			t.Errorf("another %s has the same assertion", name)
		}
	}
	if got := must(s.Sign(context.Background(), request(clock))); got == first {
		t.Error("a token that was verified anew has the old assertion")
	}
	first = must(s.Sign(context.Background(), r))
	clock.Advance(14 * time.Second)
	if got := must(s.Sign(context.Background(), r)); got != first {
		t.Error("within a quarter of its life: another assertion")
	}
	clock.Advance(2 * time.Second)
	if got := must(s.Sign(context.Background(), r)); got == first {
		t.Error("after it: the same assertion")
	}
	clock.Advance(-time.Hour)
	if got := payload(t, must(s.Sign(context.Background(), r))); got["iat"] != json.Number(fmt.Sprint(clock.Now().Unix())) {
		t.Errorf("after the clock was set back: iat = %v", got["iat"])
	}
}

// TestSignBounded: paths that somebody makes up push each other out, and nothing grows.
func TestSignBounded(t *testing.T) {
	clock := newClock()
	s := newSigner(clock)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range assertion.MostRemembered {
				s.Remember(assertion.Request{Target: fmt.Sprintf("/%d/%d", g, i)}, clock.Now())
			}
		})
	}
	wg.Wait()
	if got := s.Remembered(); got > assertion.MostRemembered || got < assertion.MostRemembered/2 {
		t.Errorf("%d assertions are remembered, want at most %d, and half of them", got, assertion.MostRemembered)
	}
}

// TestSignWithoutKey: no key, no assertion.
func TestSignWithoutKey(t *testing.T) {
	clock := newClock()
	s := newSigner(clock)
	cause := errors.New("no key")
	s.Key = func(context.Context) (*jose.SigningKey, error) { return nil, cause }
	if got, err := s.Sign(context.Background(), request(clock)); !errors.Is(err, cause) || got != "" {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestSignerCheck: what is refused at load, named as configuration names it.
func TestSignerCheck(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*assertion.Signer)
		want   string
	}{
		{"good", func(*assertion.Signer) {}, ""},
		{"no issuer", func(s *assertion.Signer) { s.Issuer = "" }, "issuer"},
		{"issuer that is a name", func(s *assertion.Signer) { s.Issuer = "gate" }, "issuer"},
		{"issuer with a fragment", func(s *assertion.Signer) { s.Issuer += "#a" }, "issuer"},
		{"no audience", func(s *assertion.Signer) { s.Audience = "" }, "audience"},
		{"the longest life", func(s *assertion.Signer) { s.Life = 5 * time.Minute }, ""},
		{"a longer life", func(s *assertion.Signer) { s.Life = 5*time.Minute + 1 }, "ttl"},
		{"next to no life", func(s *assertion.Signer) { s.Life = time.Millisecond }, "ttl"},
		{"a claim of the assertion's own", func(s *assertion.Signer) { s.Claims = []string{"aud"} }, "aud"},
		{"the binding of the token", func(s *assertion.Signer) { s.Claims = []string{"cnf"} }, "cnf"},
		{"an empty claim", func(s *assertion.Signer) { s.Claims = []string{""} }, "claim"},
	} {
		s := newSigner(newClock())
		tt.change(s)
		err := s.Check()
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want an error that names %q", tt.name, err, tt.want)
		}
	}
}

// BenchmarkSign is the cost of an assertion that was made a moment ago, and of a new one.
func BenchmarkSign(b *testing.B) {
	s := newSigner(newClock())
	r := request(newClock())
	b.Run("again", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			must(s.Sign(context.Background(), r))
		}
	})
	b.Run("new", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			r.Target = fmt.Sprint("/", i)
			must(s.Sign(context.Background(), r))
		}
	})
}

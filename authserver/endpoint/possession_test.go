package endpoint_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/dpop"
	"github.com/caddy-gatehouse/gatehouse/authserver/endpoint"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// written counts what it is asked to spend.
type written struct {
	n   int
	err error
}

func (w *written) Spend(context.Context, dpop.Owner, [32]byte, time.Time, time.Time) error {
	w.n++
	return w.err
}

// proving is who proves keys at the token endpoint.
type proving struct {
	*endpoint.Possession
	t      testing.TB
	holder *testkit.Holder
	client *store.Client
}

func newProving(t testing.TB, method string, clock *testkit.Clock, used dpop.Replays) *proving {
	t.Helper()
	p := &endpoint.Possession{
		Replays: used, Now: clock.Now,
		Address: func(r *http.Request) string { return r.Header.Get("From") },
		NoLimit: func(address string) bool { return address == "192.0.2.99" },
	}
	return &proving{p, t, testkit.NewHolder(t, clock.Now), &store.Client{ID: "app", AuthMethod: method}}
}

const tokenURL = "https://auth.example.com/e/as/token"

// from proves once from an address; the error is nil where that is good.
func (p *proving) from(address string, proof ...string) *oauth.Error {
	p.t.Helper()
	if proof == nil {
		proof = []string{p.holder.Proof(http.MethodPost, tokenURL)}
	}
	r := httptest.NewRequest(http.MethodPost, tokenURL, nil)
	r.Header["From"], r.Header["Dpop"] = []string{address}, proof
	env := &store.Environment{ID: "e", Issuer: "https://auth.example.com/e/as"}
	if _, err := p.Client(httptest.NewRecorder(), r, env, p.client, "token"); err != nil {
		return oauth.From(err)
	}
	return nil
}

// TestProofsOfPublicClients: anybody can prove some key in the name of a client without a secret, and each proof may be written to a store that is shared:
// so one address has only so many, and the others have theirs.
func TestProofsOfPublicClients(t *testing.T) {
	const address, atOnce, perSecond = "192.0.2.7", 500, 20
	clock := testkit.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	used := &written{}
	p := newProving(t, oauth.AuthNone, clock, used)
	for n := range atOnce {
		if err := p.from(address); err != nil {
			t.Fatalf("after %d: %v", n, err)
		}
	}
	for range 3 {
		err := p.from(address)
		if err == nil || err.Status != http.StatusTooManyRequests || err.Code != oauth.CodeTemporarilyUnavailable || err.RetryAfter < 1 || err.Reason != "dpop_limit" {
			t.Fatalf("one more: %+v, want 429 temporarily_unavailable", err)
		}
	}
	if used.n != atOnce {
		t.Errorf("%d were written, want %d: what is refused costs nothing", used.n, atOnce)
	}
	if err := p.from(address, "no proof"); err == nil || err.Code != oauth.CodeInvalidDPoPProof {
		t.Errorf("a bad proof: %v, want invalid_dpop_proof: it is not counted", err)
	}
	if err := p.from("192.0.2.8"); err != nil {
		t.Errorf("from another address: %v", err)
	}
	clock.Advance(time.Second)
	passed := 0
	for range 3 * perSecond {
		if p.from(address) == nil {
			passed++
		}
	}
	if passed != perSecond {
		t.Errorf("a second later: %d passed, want %d", passed, perSecond)
	}
	for name, p := range map[string]*proving{
		"an address without limit": newProving(t, oauth.AuthNone, clock, used),
		"a client with a secret":   newProving(t, oauth.AuthClientSecretBasic, clock, used),
	} {
		from := address
		if p.client.AuthMethod == oauth.AuthNone {
			from = "192.0.2.99"
		}
		for n := range atOnce + 10 {
			if err := p.from(from); err != nil {
				t.Fatalf("%s: after %d: %v", name, n, err)
			}
		}
	}
}

// TestAttack85ProofsOfOneClient: a client that makes a key for each of its proofs has its share of what is remembered, wherever it proves them; other clients
// have theirs, and so has one of the same name in another environment.
func TestAttack85ProofsOfOneClient(t *testing.T) {
	const room, realm = 64, "clients"
	clock := testkit.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	p := &endpoint.Possession{Replays: dpop.NewWindow(room), Now: clock.Now}
	at := func(env, path string) (*store.Environment, *http.Request, *testkit.Holder) {
		issuer := "https://auth.example.com/" + env + "/as"
		r := httptest.NewRequest(http.MethodPost, issuer+"/"+path, nil)
		h := testkit.NewHolder(t, clock.Now)
		return &store.Environment{ID: env, Issuer: issuer}, r, h
	}
	ask := func(env, client, method, path string) string {
		e, r, h := at(env, path)
		c := &store.Client{ID: client, AuthMethod: method}
		var err error
		switch path {
		case "token":
			r.Header["Dpop"] = []string{h.Proof(http.MethodPost, r.URL.String())}
			_, err = p.Client(httptest.NewRecorder(), r, e, c, path)
		case "par":
			r.Header["Dpop"] = []string{h.Proof(http.MethodPost, r.URL.String())}
			_, err = p.Key(httptest.NewRecorder(), r, e, c, path)
		case "userinfo":
			sum := sha256.Sum256([]byte("raw"))
			r.Header["Dpop"] = []string{h.Proof(http.MethodPost, r.URL.String(), "ath", base64.RawURLEncoding.EncodeToString(sum[:]))}
			active := &token.Active{Client: client, Bound: token.Confirmation{JKT: h.Thumbprint}}
			err = p.Holder(httptest.NewRecorder(), r, e, path, realm, endpoint.Presented{Token: "raw", DPoP: true}, active)
		}
		if err == nil {
			return "ok"
		}
		return strings.TrimSpace(fmt.Sprint(oauth.From(err).Status, " ", oauth.From(err).Reason))
	}
	for n := range room / 2 {
		path := []string{"token", "par", "userinfo"}[n%3]
		if got := ask("a", "noisy", oauth.AuthNone, path); got != "ok" {
			t.Fatalf("%s after %d: %s, want ok up to half of the room", path, n, got)
		}
	}
	for _, tt := range []struct{ name, env, client, method, path, want string }{
		{"one more, at the token endpoint", "a", "noisy", oauth.AuthNone, "token", "429 dpop_share"},
		{"pushed", "a", "noisy", oauth.AuthNone, "par", "429 dpop_share"},
		{"at userinfo", "a", "noisy", oauth.AuthNone, "userinfo", "429 dpop_share"},
		{"another public client", "a", "quiet", oauth.AuthNone, "token", "ok"},
		{"a client with a secret", "a", "api", oauth.AuthClientSecretBasic, "token", "ok"},
		{"another client's token", "a", "quiet", oauth.AuthNone, "userinfo", "ok"},
		{"the same name in another environment", "b", "noisy", oauth.AuthNone, "par", "ok"},
	} {
		if got := ask(tt.env, tt.client, tt.method, tt.path); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	clock.Advance(2 * time.Minute)
	if got := ask("a", "noisy", oauth.AuthNone, "token"); got != "ok" {
		t.Errorf("when its proofs have ended: %s, want ok", got)
	}
}

// TestProofsOfOneKey: a key that has used more than its share is told to come later, not that its proof is bad.
func TestProofsOfOneKey(t *testing.T) {
	clock := testkit.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	for _, tt := range []struct {
		name   string
		err    error
		status int
		reason string
	}{
		{"good", nil, 0, ""},
		{"over its share", dpop.ErrOverShare, http.StatusTooManyRequests, "dpop_share"},
		{"no room at all", dpop.ErrFull, http.StatusServiceUnavailable, ""},
		{"used", dpop.ErrReplayed, http.StatusBadRequest, "dpop_replayed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, method := range []string{oauth.AuthNone, oauth.AuthClientSecretBasic} {
				err := newProving(t, method, clock, &written{err: tt.err}).from("192.0.2.7")
				if (err == nil) != (tt.err == nil) || err != nil && (err.Status != tt.status || err.Reason != tt.reason || (err.RetryAfter > 0) != (tt.status != 400)) {
					t.Errorf("%s: %+v, want status %d, reason %q", method, err, tt.status, tt.reason)
				}
			}
		})
	}
}

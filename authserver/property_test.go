package authserver_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

// redemption is one try to redeem a code or a refresh token.
type redemption struct {
	client, key, verifier string // "right", "wrong"; key also "none"
}

// good: without a binding, a key that is proved is as good as another, or none.
func (r redemption) good(bound bool) bool {
	return r.client == "right" && r.verifier == "right" && (r.key == "right" || !bound)
}

// TestPropertyOneWinner is property 5 of the attack catalogue: of any interleaving of redemptions of one code or refresh token, good ones and bad
// ones, with a revocation among them, at most one new state of the family results; a replay ends it, once; and what was handed out
// works altogether, or not at all.
func TestPropertyOneWinner(t *testing.T) {
	var watch counted
	g := possessing(t, func(env *declared.Environment) {
		for _, a := range env.Applications {
			if a.ClientID == "app" {
				a.ClientID, a.RefreshTokenGrace = "graced", declared.Duration(time.Minute)
				env.Applications = append(env.Applications, a)
			}
		}
	}, func(o *rigOptions) { o.watch = &watch })
	a := newAgent(t, g)
	a.signOn(ask(issuerA, "first"))
	right, wrong := newHolder(t, g.clock), newHolder(t, g.clock)

	try := rapid.Custom(func(r *rapid.T) redemption {
		if rapid.IntRange(0, 2).Draw(r, "good") > 0 {
			return redemption{"right", "right", "right"}
		}
		either := rapid.SampledFrom([]string{"right", "right", "wrong"})
		return redemption{either.Draw(r, "client"), rapid.SampledFrom([]string{"right", "none", "wrong"}).Draw(r, "key"), either.Draw(r, "verifier")}
	})
	until := time.Now().Add(4 * time.Second) // the property is as true of fewer
	rapid.Check(t, func(r *rapid.T) {
		if time.Now().After(until) {
			return
		}
		ofCode, bound, revoking := rapid.Bool().Draw(r, "code"), rapid.Bool().Draw(r, "bound"), rapid.IntRange(0, 3).Draw(r, "revoking") == 0
		id := rapid.SampledFrom([]string{"app", "graced"}).Draw(r, "client")
		tries := rapid.SliceOfN(try, 2, 6).Draw(r, "tries")
		replays := watch.replays.Load()

		// What is redeemed.
		var params []string
		if bound {
			params = []string{"dpop_jkt", right.kid}
		}
		held := codeFor(a, id, params...)
		if !ofCode {
			as := public(id)
			if bound {
				as = right.as(as, "token")
			}
			if held = text(g.form(envA, "token", as, redeemFields(held)...), "refresh_token"); held == "" {
				r.Fatal("no refresh token to begin with")
			}
		}
		redeem := func(x redemption) answer {
			as, fields := public(id), []string{"grant_type=refresh_token", "refresh_token=" + held}
			if ofCode {
				fields = redeemFields(held)
			}
			if x.client == "wrong" {
				as = public("opaque")
			}
			if x.verifier == "wrong" && ofCode {
				fields[len(fields)-1] += "x"
			}
			switch x.key {
			case "right":
				as = right.as(as, "token")
			case "wrong":
				as = wrong.as(as, "token")
			}
			return g.form(envA, "token", as, fields...)
		}

		var wg sync.WaitGroup
		got, good, bad, keys := make([]answer, len(tries)), 0, 0, map[string]bool{}
		begin := make(chan struct{})
		for i, x := range tries {
			if !ofCode {
				tries[i].verifier, x.verifier = "right", "right" // there is none
			}
			if x.good(bound) {
				good++
				keys[x.key] = true
			} else {
				bad++
			}
			wg.Go(func() { <-begin; got[i] = redeem(x) })
		}
		revoked := false
		if revoking && !ofCode {
			wg.Go(func() {
				<-begin
				revoked = g.form(envA, "revoke", public(id), "token="+held).status == http.StatusOK
			})
		}
		close(begin)
		wg.Wait()

		winners, states := []answer{}, map[string]bool{}
		for i, x := range tries {
			switch {
			case got[i].status == http.StatusOK && !x.good(bound):
				r.Fatalf("%+v got tokens", x)
			case got[i].status == http.StatusOK:
				winners = append(winners, got[i])
				if next := text(got[i], "refresh_token"); next != "" {
					states[next] = true
				}
			case got[i].outcome() != "400 invalid_grant":
				r.Fatalf("%+v: %s, want 400 invalid_grant", x, got[i].outcome())
			}
		}
		if ofCode && revoking && len(winners) > 0 && text(winners[0], "refresh_token") != "" {
			revoked = g.form(envA, "revoke", public(id), "token="+text(winners[0], "refresh_token")).status == http.StatusOK
		}
		graced := !ofCode && id == "graced"
		if len(states) > 1 || len(winners) > 1 && !graced {
			r.Fatalf("%d winners and %d new states of one family, want one", len(winners), len(states))
		}
		if n := watch.replays.Load() - replays; n > 1 || n > 0 && graced && !revoked || n == 0 && good > 1 && !ofCode && !graced && !revoked {
			r.Fatalf("%d replays were told of %d good tries", n, good)
		}

		works := map[bool]int{}
		for _, w := range winners {
			works[g.introspected(public(id), text(w, "access_token")).member("active") == true]++
			if next := text(w, "refresh_token"); next != "" {
				works[g.introspected(public(id), next).member("active") == true]++
			}
		}
		if works[true] > 0 && works[false] > 0 {
			r.Fatalf("of what was handed out %d work and %d do not, want it all alike", works[true], works[false])
		}
		switch {
		case revoked, good > 1 && !graced:
			if works[true] > 0 {
				r.Fatalf("after a revocation (%v) or replay %d tokens work", revoked, works[true])
			}
		case good == 0:
			if again := redeem(redemption{"right", "right", "right"}); again.status != http.StatusOK {
				r.Fatalf("bad tries alone have spent it: %s", again.outcome())
			}
		case graced && len(keys) > 1 && len(winners) > 0 && works[false] == 0: // the first one with a key binds the family: those that prove something else may be late
		case graced && len(winners) != good, len(winners) != 1 && !graced:
			r.Fatalf("%d of %d good tries won", len(winners), good)
		case ofCode && bad > 0: // a try after the winner's, however bad, may have been a replay
		case works[false] > 0:
			r.Fatal("the winner's tokens do not work, and nobody has revoked or replayed them")
		}
	})
}

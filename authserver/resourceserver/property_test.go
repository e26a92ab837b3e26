package resourceserver_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

// Property 1 of the catalogue: for any token, policy, clock and sequence of
// requests, the verdict of a gate that remembers equals the verdict of one that
// has just been made.
func TestCacheTransparency(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { cacheTransparency(t, seed) })
	}
}

func cacheTransparency(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 7))
	c := newClock()
	p := newProvider(t, nil)
	ends := map[string]int64{}
	p.set(func(p *provider) {
		p.introspect = func(w http.ResponseWriter, r *http.Request) {
			end := ends[r.PostFormValue("token")]
			writeJSON(w, p.active(c).with(claims{"exp": end, "iat": nil, "active": c.Now().Unix() < end}).json())
		}
	})
	byKeys := fixed(ecKey())
	byKeys.MaxLifetime = time.Hour
	l := &local{keys: jose.NewKeySet(ecKey().Public()), revoked: map[string]bool{}}
	inProcess := resourceserver.Issuer{Issuer: "http://localhost/as", Local: l, Audience: []string{audience}, ClockSkew: -1}
	asked := p.introspected()
	asked.Introspection.TTL = 20 * time.Second
	config := resourceserver.Config{Issuers: []resourceserver.Issuer{byKeys, inProcess, asked}}

	var tokens []string
	pick := func(values ...any) any { return values[random.IntN(len(values))] }
	for i := range 40 {
		now := c.Now().Unix() + int64(random.IntN(200)) - 100
		payload := goodClaims(pick(byKeys.Issuer, byKeys.Issuer, inProcess.Issuer, inProcess.Issuer, "https://x.example").(string), c).with(claims{
			"jti": fmt.Sprint(i), "iat": now, "exp": now + int64(random.IntN(4500)), "nbf": now + int64(random.IntN(60)),
			"aud": pick(audience, audience, audience, "other", []string{"other", audience}), "scope": pick("read", "read write", "", nil),
			"sub": pick("alice", "alice", "bob", "", nil),
		})
		token := must(pick(ecKey(), ecKey(), ecKey(), ecKey(), strangerKey()).(*jose.SigningKey).Sign(pick("at+jwt", "at+jwt", "JWT", "JWT", "dpop+jwt").(string), []byte(payload.json())))
		tokens = append(tokens, token)
		if random.IntN(5) == 0 {
			tokens = append(tokens, mangle(token))
		}
	}
	for i := range 12 {
		now := c.Now().Unix() + int64(random.IntN(200)) - 100
		tokens = append(tokens, l.issue(fmt.Sprintf("in-process-%d", i), goodClaims(
			pick(inProcess.Issuer, inProcess.Issuer, inProcess.Issuer, byKeys.Issuer, "https://x.example").(string), c).with(claims{
			"jti": fmt.Sprint(i), "iat": now, "exp": now + int64(random.IntN(4500)), "nbf": now + int64(random.IntN(60)),
			"aud": pick(audience, audience, audience, "other"), "scope": pick("read", "", nil),
		})))
	}
	for i := range 8 {
		token := fmt.Sprintf("opaque-%d", i)
		ends[token] = c.Now().Unix() + int64(random.IntN(300))
		tokens = append(tokens, token)
	}
	random.Shuffle(len(tokens), func(i, j int) { tokens[i], tokens[j] = tokens[j], tokens[i] })
	policies := []*resourceserver.Policy{
		nil, {Scopes: []string{"read"}}, {AnyScope: []string{"write", "admin"}}, {Audience: []string{"other"}},
		{Claims: []resourceserver.ClaimRule{{Name: "sub", Values: []string{"alice"}}}},
	}
	remembering := newGateWith(t, c, config)
	verdicts := map[int]int{}
	for step := range 500 {
		switch random.IntN(12) {
		case 0:
			c.Advance(time.Duration(random.IntN(60)) * time.Second)
		case 1:
			c.Advance(-time.Duration(2+random.IntN(50)) * time.Second)
		case 2:
			l.change(func(l *local) { l.revoked[fmt.Sprint(random.IntN(40))] = true })
		}
		// Mostly the same few, so that there is something to remember.
		token := tokens[random.IntN(min(len(tokens), 1+random.IntN(len(tokens))))]
		policy := policies[random.IntN(len(policies))]
		got := remembering.request(bearer(token), policy)
		remembering.Settle()
		fresh, err := resourceserver.New(withClock(config, c))
		if err != nil {
			t.Fatal(err)
		}
		want := (&gate{Verifier: fresh, clock: c}).request(bearer(token), policy)
		fresh.Close()
		if got != want {
			t.Fatalf("step %d: verdict = %v, want %v as without a cache", step, got, want)
		}
		verdicts[got.status]++
	}
	if verdicts[200] < 10 || verdicts[401] < 10 {
		t.Errorf("verdicts = %v, want enough of each for the comparison to mean something", verdicts)
	}
	if s := remembering.Stats(); s.Good.Hits < 20 {
		t.Errorf("cache hits = %d, want enough for the comparison to mean something", s.Good.Hits)
	}
}

func withClock(config resourceserver.Config, c *clock) resourceserver.Config {
	config.Now = c.Now
	config.GoodCacheBytes, config.BadCacheBytes = 1<<16, 1<<16
	return config
}

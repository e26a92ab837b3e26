package integration_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/integration/pgtest"
)

// contenders is how many requests want the same thing at once.
const contenders = 50

// raceNodes are the processes of one server, and an application of it in two shapes: racer,
// whose refresh tokens are good once, and patient, whose are good again within a grace period.
type raceNodes struct {
	*node // the first
	all   []*node
	app   map[string]*party
}

const raceOptions = `
			sign_on {
				argon2 8MiB 1
			}
			application racer {
				type web_app
				secret {env.RACER_SECRET}
				grant authorization_code refresh_token
				pkce s256_required
				redirect_uri $PARTY/callback
				allow openid profile email offline_access orders:read
			}
			application patient {
				type web_app
				secret {env.RACER_SECRET}
				grant authorization_code refresh_token
				refresh_token_grace 10m
				pkce s256_required
				redirect_uri $PARTY/callback
				allow openid profile email offline_access orders:read
			}`

// racerSecret is the secret of both applications.
const racerSecret = "racer-secret-4Hq8vXk2TzNw"

// startRace runs a server for races on each of the stores.
func startRace(t testing.TB, stores ...backend) *raceNodes {
	t.Helper()
	app := newParty(t, "racer", racerSecret, "127.0.0.1")
	r := &raceNodes{app: map[string]*party{
		"racer":   app,
		"patient": {id: "patient", secret: racerSecret, base: app.base},
	}}
	for _, b := range stores {
		vars := map[string]string{"PARTY": app.base}
		if r.node != nil { // the others speak for the same issuer
			vars["ISSUER"], vars["OTHER_ISSUER"] = r.vars["ISSUER"], r.vars["OTHER_ISSUER"]
		}
		n := prepare(t, config{storage: b, info: true, env: raceOptions, global: "insecure_unlimited 127.0.0.0/8", vars: vars})
		n.env = append(n.env, "RACER_SECRET="+racerSecret)
		n.secret("the racer's secret", racerSecret)
		n.secret("alice's password", alicePassword)
		n.run(t)
		if r.node == nil {
			r.node = n
		}
		r.all = append(r.all, n)
	}
	return r
}

// TestRaces is what happens when one thing is wanted by many at once: on SQLite, on PostgreSQL,
// and in two processes on one PostgreSQL.
func TestRaces(t *testing.T) {
	races := func(t *testing.T, r *raceNodes) {
		t.Run("code", func(t *testing.T) { raceForCode(t, r) })
		t.Run("refresh token", func(t *testing.T) { raceForRefreshToken(t, r) })
		t.Run("refresh token within its grace period", func(t *testing.T) { raceWithinGrace(t, r) })
		t.Run("pushed request", func(t *testing.T) { raceForPushedRequest(t, r) })
	}
	t.Run("sqlite", func(t *testing.T) { races(t, startRace(t, sqlite{})) })
	t.Run("postgres", func(t *testing.T) { races(t, startRace(t, postgres{})) })
	t.Run("two processes", func(t *testing.T) {
		dsn := pgtest.Database(t)
		races(t, startRace(t, postgres{dsn}, postgres{dsn}))
	})
}

// at is an address of the first node at another.
func (r *raceNodes) at(n *node, address string) string {
	return strings.Replace(address, r.url("as"), n.url("as"), 1)
}

// contend sends the same request many times at once, to all nodes in turn, and gives the answers.
func (r *raceNodes) contend(t testing.TB, request func(n *node) *http.Request) []answer {
	t.Helper()
	answers, failures := make([]answer, contenders), make([]error, contenders)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range contenders {
		wg.Go(func() {
			n := r.all[i%len(r.all)]
			req := request(n)
			<-start
			answers[i], failures[i] = n.try(req)
		})
	}
	close(start)
	wg.Wait()
	for _, err := range failures {
		if err != nil {
			t.Fatal(err)
		}
	}
	return answers
}

// code signs alice on, if need be, and gives a code and the form fields that redeem it.
func (r *raceNodes) code(t testing.TB, a *agent, client string) []string {
	t.Helper()
	begun := r.app[client].begin(r.node, "scope", "openid profile email offline_access orders:read")
	code := a.signOnAlice(begun.address).Query().Get("code")
	if code == "" {
		t.Fatalf("no code at %s", place(a.at))
	}
	for _, n := range r.all {
		n.secret("a code", code)
	}
	return []string{"grant_type", "authorization_code", "code", code, "redirect_uri", begun.p.base + "/callback", "code_verifier", begun.verifier}
}

// tokenRequest is a request of the application at one node.
func (r *raceNodes) tokenRequest(n *node, client string, fields ...string) *http.Request {
	return formRequest(r.at(n, r.vars["ISSUER"]+"/token"), basic(client, racerSecret), fields...)
}

// refresh is the request that exchanges a refresh token.
func (r *raceNodes) refresh(n *node, client, token string) *http.Request {
	return r.tokenRequest(n, client, "grant_type", "refresh_token", "refresh_token", token)
}

// issued is what an answer of the token endpoint hands out; every node looks out for it.
func (r *raceNodes) issued(t testing.TB, a answer) signedIn {
	t.Helper()
	var got signedIn
	for _, n := range r.all {
		got = n.tokens(t, a)
	}
	return got
}

// winners are the answers that are not the refusal of a spent token or code.
func winners(t testing.TB, answers []answer) []answer {
	t.Helper()
	var won []answer
	for _, a := range answers {
		switch {
		case a.status == http.StatusOK:
			won = append(won, a)
		case a.status != http.StatusBadRequest || a.oauthError() != "invalid_grant":
			t.Errorf("a loser is answered %d %s, want 400 invalid_grant", a.status, a.body)
		}
	}
	return won
}

// dead insists that access tokens are refused: at once by a process that is alone, and by
// several as soon as the store's notification has come.
func (r *raceNodes) dead(t testing.TB, tokens ...string) {
	t.Helper()
	for _, n := range r.all {
		for _, token := range tokens {
			refused := func() bool { return n.call(t, "gate", "/", token).status == http.StatusUnauthorized }
			if len(r.all) > 1 {
				eventually(t, 2*time.Second, "the gate refuses the token", refused)
			} else if !refused() {
				t.Error("the gate lets a token through that has ended")
			}
			if got := n.do(t, formRequest(r.at(n, r.vars["ISSUER"]+"/introspect"), basic("racer", racerSecret), "token", token)); !strings.Contains(got.body, `"active":false`) {
				t.Errorf("introspection = %s, want inactive", got.body)
			}
		}
	}
}

// replays counts the families that were ended because of a replay, on all nodes.
func (r *raceNodes) replays(t testing.TB) float64 {
	t.Helper()
	var total float64
	for _, n := range r.all {
		families := n.metrics(t)
		if _, there := families["gatehouse_refresh_token_replays_total"]; !there {
			t.Fatal("there is no metric gatehouse_refresh_token_replays_total")
		}
		total += sum(families, "gatehouse_refresh_token_replays_total")
	}
	return total
}

// raceForCode redeems one code many times at once. One redemption wins, and since the code
// came again, what it bought has ended (RFC 6749 §4.1.2).
func raceForCode(t *testing.T, r *raceNodes) {
	a := newAgent(t, r.node)
	for range 3 {
		fields := r.code(t, a, "racer")
		won := winners(t, r.contend(t, func(n *node) *http.Request { return r.tokenRequest(n, "racer", fields...) }))
		if len(won) != 1 {
			t.Fatalf("%d of %d redemptions won, want 1", len(won), contenders)
		}
		got := r.issued(t, won[0])
		r.dead(t, got.access)
		if a := r.do(t, r.refresh(r.node, "racer", orNone(got.refresh))); a.oauthError() != "invalid_grant" {
			t.Errorf("the refresh token that a replayed code bought: %d %s, want invalid_grant", a.status, a.body)
		}
	}
	// A code that nobody else has is not affected.
	got := r.issued(t, r.do(t, r.tokenRequest(r.node, "racer", r.code(t, a, "racer")...)))
	if a := r.call(t, "gate", "/", got.access); a.status != http.StatusOK {
		t.Errorf("a token of an honest redemption: %d, want 200", a.status)
	}
}

// orNone is a refresh token, or where the winner got none one that nobody has.
func orNone(token string) string {
	if token == "" {
		return "none"
	}
	return token
}

// raceForRefreshToken exchanges one refresh token many times at once, without a grace period: one
// exchange wins, the family ends once, and with it every access token that came of it.
func raceForRefreshToken(t *testing.T, r *raceNodes) {
	a := newAgent(t, r.node)
	bystander := r.issued(t, r.do(t, r.tokenRequest(r.node, "racer", r.code(t, a, "racer")...)))
	counted := r.replays(t)
	for range 3 {
		first := r.issued(t, r.do(t, r.tokenRequest(r.node, "racer", r.code(t, a, "racer")...)))
		for _, n := range r.all {
			if got := n.call(t, "gate", "/", first.access); got.status != http.StatusOK {
				t.Fatalf("before the race: %d, want 200", got.status)
			}
		}
		won := winners(t, r.contend(t, func(n *node) *http.Request { return r.refresh(n, "racer", first.refresh) }))
		if len(won) != 1 {
			t.Fatalf("%d of %d exchanges won, want 1", len(won), contenders)
		}
		next := r.issued(t, won[0])
		r.dead(t, first.access, next.access)
		for _, n := range r.all {
			if got := n.do(t, r.refresh(n, "racer", next.refresh)); got.oauthError() != "invalid_grant" {
				t.Errorf("the successor after the replay: %d %s, want invalid_grant", got.status, got.body)
			}
		}
		if counted++; r.replays(t) != counted {
			t.Errorf("replays counted = %v, want %v: one for each family", r.replays(t), counted)
		}
	}
	// The person's other tokens of that application are of another family.
	if got := r.call(t, "gate", "/", bystander.access); got.status != http.StatusOK {
		t.Errorf("a token of another family: %d, want 200", got.status)
	}
	r.issued(t, r.do(t, r.refresh(r.node, "racer", bystander.refresh)))
}

// raceWithinGrace does the same within a grace period: everybody gets the one successor.
func raceWithinGrace(t *testing.T, r *raceNodes) {
	a := newAgent(t, r.node)
	counted := r.replays(t)
	held := r.issued(t, r.do(t, r.tokenRequest(r.node, "patient", r.code(t, a, "patient")...)))
	for range 3 {
		won := winners(t, r.contend(t, func(n *node) *http.Request { return r.refresh(n, "patient", held.refresh) }))
		if len(won) != contenders {
			t.Fatalf("%d of %d exchanges won, want all", len(won), contenders)
		}
		next := r.issued(t, won[0])
		for _, w := range won {
			got := r.issued(t, w)
			if got.refresh != next.refresh {
				t.Fatal("two exchanges of one refresh token within its grace period have different successors")
			}
			for _, n := range r.all {
				if a := n.call(t, "gate", "/", got.access); a.status != http.StatusOK {
					t.Fatalf("an access token of the race: %d %s, want 200", a.status, a.challenge())
				}
			}
		}
		if next.refresh == held.refresh {
			t.Fatal("the refresh token was not rotated")
		}
		held = next
	}
	if got := r.replays(t); got != counted {
		t.Errorf("replays counted = %v, want %v as before: within the grace period there are none", got, counted)
	}
}

// raceForPushedRequest uses one reference to a pushed request many times at once, in the
// browser of somebody who has signed on: one code comes of it.
func raceForPushedRequest(t *testing.T, r *raceNodes) {
	a := newAgent(t, r.node)
	r.code(t, a, "racer") // signs on
	for range 3 {
		begun, err := url.Parse(r.app["racer"].begin(r.node).address)
		if err != nil {
			t.Fatal(err)
		}
		var fields []string
		for name, values := range begun.Query() {
			fields = append(fields, name, values[0])
		}
		pushed := r.form(t, "/par", basic("racer", racerSecret), fields...)
		var reference struct {
			URI string `json:"request_uri"`
		}
		if json.Unmarshal([]byte(pushed.body), &reference) != nil || pushed.status != http.StatusCreated {
			t.Fatalf("pushed request: %d %s, want 201", pushed.status, pushed.body)
		}
		begun.RawQuery = url.Values{"client_id": {"racer"}, "request_uri": {reference.URI}}.Encode()
		codes := map[string]bool{}
		for _, got := range r.contend(t, func(n *node) *http.Request {
			req, err := http.NewRequest(http.MethodGet, r.at(n, begun.String()), nil)
			if err != nil {
				panic(err)
			}
			for _, c := range a.client.Jar.Cookies(begun) {
				req.AddCookie(c)
			}
			return req
		}) {
			to, err := url.Parse(got.header.Get("Location"))
			if err != nil {
				t.Fatal(err)
			}
			switch code := to.Query().Get("code"); {
			case code != "":
				codes[code] = true
				r.secret("a code", code)
			case got.status != http.StatusBadRequest || !strings.Contains(got.body, "invalid_request_uri"):
				t.Errorf("a loser is answered %d %.300s, want a page with invalid_request_uri", got.status, got.body)
			}
		}
		if len(codes) != 1 {
			t.Fatalf("%d codes came of one reference, want 1", len(codes))
		}
	}
}

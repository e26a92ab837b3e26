package integration_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// party is an application that people sign in to, made by hand so that it can ask for
// anything: it remembers what browsers bring back, and redeems codes when told to.
type party struct {
	id, secret string
	base       string // its origin
	server     *httptest.Server

	mu      sync.Mutex
	arrived map[string][]arrival // by path
	pages   map[string]string    // more pages, by path
}

// arrival is one request of a browser.
type arrival struct {
	method string
	values url.Values // of the query, or of a posted form
	header http.Header
}

// newParty serves an application at a host name of the loopback interface: 127.0.0.1 is the
// authorization server's own site, localhost another one.
func newParty(t testing.TB, id, secret, host string) *party {
	t.Helper()
	p := &party{id: id, secret: secret, arrived: map[string][]arrival{}, pages: map[string]string{}}
	p.server = httptest.NewServer(http.HandlerFunc(p.serve))
	t.Cleanup(p.server.Close)
	u, err := url.Parse(p.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	p.base = "http://" + host + ":" + u.Port()
	return p
}

func (p *party) serve(w http.ResponseWriter, r *http.Request) {
	a := arrival{method: r.Method, values: r.URL.Query(), header: r.Header.Clone()}
	if r.Method == http.MethodPost {
		_ = r.ParseForm()
		a.values = r.PostForm
	}
	p.mu.Lock()
	p.arrived[r.URL.Path] = append(p.arrived[r.URL.Path], a)
	page := p.pages[r.URL.Path]
	p.mu.Unlock()
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if page == "" {
		page = `<h1 id="arrived">Arrived at ` + html.EscapeString(p.id) + `</h1>`
	}
	_, _ = w.Write([]byte("<!doctype html><title>" + html.EscapeString(p.id) + "</title><link rel=icon href=data:,>" + page))
}

// page adds a page of the application.
func (p *party) page(path, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pages[path] = text
}

// at lists what browsers brought to a path so far.
func (p *party) at(path string) []arrival {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]arrival(nil), p.arrived[path]...)
}

// attempt is a sign-in that the application has begun.
type attempt struct {
	p                      *party
	address                string
	state, nonce, verifier string
}

// begin makes an authorization request for openid, profile, email and the API; params are names
// and values in turn, which replace the usual ones. An empty value leaves the parameter out.
func (p *party) begin(n *node, params ...string) *attempt {
	a := &attempt{p: p, state: random(), nonce: random(), verifier: random() + random()}
	challenge := sha256.Sum256([]byte(a.verifier))
	q := url.Values{
		"client_id": {p.id}, "response_type": {"code"}, "redirect_uri": {p.base + "/callback"}, "scope": {"openid profile email orders:read"},
		"state": {a.state}, "nonce": {a.nonce}, "code_challenge": {b64(challenge[:])}, "code_challenge_method": {"S256"},
	}
	for i := 0; i+1 < len(params); i += 2 {
		if q.Set(params[i], params[i+1]); params[i+1] == "" {
			q.Del(params[i])
		}
	}
	a.address = n.vars["ISSUER"] + "/authorize?" + q.Encode()
	return a
}

// answer is what came back for this attempt, told by its state.
func (a *attempt) answer(t testing.TB, n *node) arrival {
	t.Helper()
	for _, got := range a.p.at("/callback") {
		if got.values.Get("state") != a.state {
			continue
		}
		if iss := got.values.Get("iss"); iss != n.vars["ISSUER"] {
			t.Errorf("iss of the answer = %q, want %q (RFC 9207 §2)", iss, n.vars["ISSUER"])
		}
		return got
	}
	t.Fatalf("nothing came back to %s with this state", a.p.id)
	return arrival{}
}

// refused insists that an error came back.
func (a *attempt) refused(t testing.TB, n *node, want string) {
	t.Helper()
	got := a.answer(t, n).values
	if got.Get("error") != want || got.Has("code") {
		t.Errorf("answer = %v, want error %s and no code", got, want)
	}
}

// signedIn is what an application gets for a code.
type signedIn struct {
	access, refresh, id string
	claims              map[string]any // of the ID token
	sessionState        string
}

// redeem exchanges the code that came back.
func (a *attempt) redeem(t testing.TB, n *node) signedIn {
	t.Helper()
	came := a.answer(t, n).values
	if came.Get("code") == "" {
		t.Fatalf("%s got %v, want a code", a.p.id, came)
	}
	got := n.tokens(t, n.form(t, "/token", basic(a.p.id, a.p.secret), "grant_type", "authorization_code",
		"code", came.Get("code"), "redirect_uri", a.p.base+"/callback", "code_verifier", a.verifier))
	if got.claims["nonce"] != a.nonce {
		t.Errorf("nonce = %v, want the request's", got.claims["nonce"])
	}
	got.sessionState = came.Get("session_state")
	return got
}

// tokens reads a token response and remembers what is secret in it.
func (n *node) tokens(t testing.TB, a answer) signedIn {
	t.Helper()
	var body struct {
		Refresh string `json:"refresh_token"`
		ID      string `json:"id_token"`
	}
	got := signedIn{access: n.tokenFrom(t, a)}
	if err := json.Unmarshal([]byte(a.body), &body); err != nil {
		t.Fatal(err)
	}
	got.refresh, got.id = body.Refresh, body.ID
	n.secret("a refresh token", got.refresh)
	if got.id != "" {
		n.secret("an ID token", got.id)
		got.claims = claims(t, got.id)
	}
	return got
}

// signInNode is a node where people sign in, with two applications.
type signInNode struct {
	*node
	web  *party // at 127.0.0.1; asks for no consent
	shop *party // at localhost, which is another site; asks for consent every time
	box  string // directory of the outbox
}

// Passwords of the people there.
const (
	alicePassword = "alice-demo-pass"
	bobPassword   = "bob-Q7ns-walks-alone"
	carolPassword = "carol-9sKd-sings-low"
)

// startSignIn runs a node where people sign in. more is added to its environment.
func startSignIn(t testing.TB, b backend, more ...string) *signInNode {
	t.Helper()
	s, _ := prepareSignIn(t, b, "", more...)
	s.run(t)
	return s
}

// startSecureSignIn is startSignIn with an issuer over TLS, as in production.
func startSecureSignIn(t testing.TB, b backend, more ...string) *signInNode {
	t.Helper()
	s, c := prepareSignIn(t, b, `
https://127.0.0.1:$TLS {
	tls $DIR/tls.pem $DIR/tls.key
	log
	authorization_server
}
`, more...)
	(&partyNode{node: s.node}).certify(t)
	s.vars["ISSUER"] = "https://" + s.addr("tls") + "/" + mainEnv + "/as"
	s.write(t, c)
	s.run(t)
	return s
}

func prepareSignIn(t testing.TB, b backend, sites string, more ...string) (*signInNode, config) {
	t.Helper()
	mustBrowser(t)
	s := &signInNode{
		web:  newParty(t, "web", "web-secret-4Gq8ZpLm2v", "127.0.0.1"),
		shop: newParty(t, "shop", "shop-secret-T5mWc7Yk1x", "localhost"),
		box:  t.TempDir(),
	}
	c := config{
		storage: b,
		ports:   []string{"tls"},
		global:  "notifier outbox $BOX",
		env:     strings.Join(append([]string{signInOptions}, more...), "\n"),
		vars:    map[string]string{"BOX": s.box, "WEB": s.web.base, "SHOP": s.shop.base},
		sites:   sites,
	}
	s.node = prepare(t, c)
	s.env = append(s.env, "WEB_CLIENT_SECRET="+s.web.secret, "SHOP_CLIENT_SECRET="+s.shop.secret)
	for what, text := range map[string]string{
		"web's secret": s.web.secret, "shop's secret": s.shop.secret,
		"alice's password": alicePassword, "bob's password": bobPassword, "carol's password": carolPassword,
	} {
		s.secret(what, text)
	}
	return s, c
}

var signInOptions = fmt.Sprintf(`
			user bob {
				password %s
				claim name "Bob Sawyer"
				claim email bob@example.com
			}
			user carol {
				password %s
				claim name "Carol Danvers"
				claim email carol@example.com
			}
			application web {
				name "Orders on the web"
				type web_app
				secret {env.WEB_CLIENT_SECRET}
				grant authorization_code refresh_token
				pkce s256_required
				redirect_uri $WEB/callback
				post_logout_redirect_uri $WEB/bye
				frontchannel_logout_uri $WEB/front
				frontchannel_logout_session
				session_check
				allow openid profile email offline_access orders:read
			}
			application shop {
				name "The shop"
				type web_app
				secret {env.SHOP_CLIENT_SECRET}
				grant authorization_code refresh_token
				pkce s256_required
				consent always
				redirect_uri $SHOP/callback
				post_logout_redirect_uri $SHOP/bye
				frontchannel_logout_uri $SHOP/front
				frontchannel_logout_session
				session_check
				allow openid profile email offline_access orders:read
			}`, bobPassword, carolPassword)

// signOn fills in the sign-on page and sends it.
func (b *tab) signOn(username, password string) int {
	b.t.Helper()
	b.see("username")
	b.fill("username", username)
	b.fill("password", password)
	return b.press("submit")
}

// arrive insists that the browser is at the application.
func (b *tab) arrive(p *party) {
	b.t.Helper()
	b.see("arrived")
	if got := b.text("#arrived"); got != "Arrived at "+p.id {
		b.fatalf("the browser is at %q, want %s", got, p.id)
	}
}

package session_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// value is a cookie value such as secret.New draws.
const value = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"

func TestAttributes(t *testing.T) {
	k := newKit(t)
	tests := []struct{ name, issuer, want string }{
		{"https", "https://auth.example.com/" + envID + "/as", "; Path=/" + envID + "; HttpOnly; Secure; SameSite=None"},
		{"https with a port", "https://auth.example.com:8443/" + envID + "/as", "; Path=/" + envID + "; HttpOnly; Secure; SameSite=None"},
		{"custom domain", "https://login.example.com/as", "; Path=/; HttpOnly; Secure; SameSite=None"},
		{"behind a prefix", "https://example.com/auth/" + envID + "/as", "; Path=/auth/" + envID + "; HttpOnly; Secure; SameSite=None"},
		{"loopback", "http://localhost:8080/" + envID + "/as", "; Path=/" + envID + "; HttpOnly; SameSite=Lax"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			env := &store.Environment{ID: envID, Issuer: tt.issuer}
			b, err := k.Read(k.agent().request(), env)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := k.SignOn(t.Context(), env, b, pwd(alice)); err != nil {
				t.Fatal(err)
			}
			got := written(b, env)
			readable := strings.Replace(tt.want, "; HttpOnly", "", 1)
			if len(got) != 2 || !strings.HasPrefix(got[0], "ST=") || strings.TrimLeft(got[0][3:], chars) != tt.want ||
				!strings.HasPrefix(got[1], "ST-S=") || strings.TrimLeft(got[1][5:], chars) != readable {
				t.Errorf("Set-Cookie: %q, want ST=…%s and ST-S=…%s", got, tt.want, readable)
			}
			if again := written(b, env); len(again) != 0 {
				t.Errorf("written again: %q, want nothing", again)
			}
			// Deletion matches name, path and attributes, or the browser keeps the cookie.
			r := k.agent().request()
			for _, c := range got {
				r.Header.Add("Cookie", c[:strings.IndexByte(c, ';')])
			}
			if b, err = k.Read(r, env); err != nil || b.Session == nil {
				t.Fatalf("session = %v, %v", b, err)
			}
			if _, err := k.End(t.Context(), env, b.Session.ID, b); err != nil {
				t.Fatal(err)
			}
			for i, c := range written(b, env) {
				path, flags, _ := strings.Cut([]string{tt.want, readable}[i][2:], "; ")
				want := []string{"ST", "ST-S"}[i] + "=; " + path + "; Expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0; " + flags
				if c != want {
					t.Errorf("deleted by %q, want %q", c, want)
				}
			}
		})
	}
}

const chars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

func written(b *session.Browser, env *store.Environment) []string {
	w := httptest.NewRecorder()
	b.WriteCookies(w, env)
	return w.Header().Values("Set-Cookie")
}

func TestCookiesThatCountForNothing(t *testing.T) {
	k := newKit(t)
	a := k.agent()
	a.signOn(t, alice)
	good := a.cookies["ST"]
	tests := []struct {
		name   string
		header []string
		want   string // who is signed on
		held   bool   // counts as a cookie at all
	}{
		{"good", []string{"ST=" + good}, alice, true},
		{"good among others", []string{"a=b; ST=" + good + "; STX=1; st=2"}, alice, true},
		{"none", nil, "", false},
		{"well-formed, nobody's", []string{"ST=" + value}, "", true},
		{"empty", []string{"ST="}, "", false},
		{"one character short", []string{"ST=" + good[:42]}, "", false},
		{"one character more", []string{"ST=" + good + "A"}, "", false},
		{"padded", []string{"ST=" + good + "="}, "", false},
		{"not canonical", []string{"ST=" + value[:42] + "9"}, "", false},
		{"standard base64", []string{"ST=" + strings.Repeat("+", 43)}, "", false},
		{"a UUID", []string{"ST=4d9b2c1e-8f07-4a6b-b3c5-6e1f20a9d7c8"}, "", false},
		{"huge", []string{"ST=" + strings.Repeat("A", 100_000)}, "", false},
		{"twice, one after the other", []string{"ST=" + value + "; ST=" + good}, "", false},
		{"twice, the other way round", []string{"ST=" + good + "; ST=" + value}, "", false},
		{"twice in two headers", []string{"ST=" + good, "ST=" + value}, "", false},
		{"twice, one malformed", []string{"ST=" + good + "; ST=x"}, "", false},
		{"another name's case", []string{"st=" + good}, "", false},
		{"a 99999999-chunk cookie", []string{"ST.chunks=99999999; ST.0=" + good}, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := k.agent().request()
			for _, h := range tt.header {
				r.Header.Add("Cookie", h)
			}
			b, err := k.Read(r, k.env)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if b.Session != nil {
				got = b.Session.Subject
			}
			if got != tt.want {
				t.Errorf("signed on: %q, want %q", got, tt.want)
			}
			if held := b.Binding() != (store.Hash{}); held != tt.held {
				t.Errorf("a cookie to bind to: %v, want %v", held, tt.held)
			}
			k.Begin(b)
			if set := written(b, k.env); (len(set) > 0 && strings.HasPrefix(set[0], "ST=")) == tt.held {
				t.Errorf("Begin set %q, want a new cookie exactly where there was none", set)
			}
		})
	}
}

// TestAttack has the rows of the attack catalogue on sessions and cookies.
func TestAttack(t *testing.T) {
	t.Run("case 105/a cookie set before login", fixation)
	t.Run("case 105/two tabs", twoTabs)
	t.Run("case 105/every privilege change gives a new value", rotation)
	t.Run("case 121/a session after logout", afterLogout)
	t.Run("case 121/logout in one environment only", oneEnvironment)
}

// An attacker plants a cookie of theirs in the victim's browser and waits.
func fixation(t *testing.T) {
	k := newKit(t)
	attacker, victim := k.agent(), k.agent()
	b := attacker.read(t)
	k.Begin(b)
	planted := b.Binding()
	attacker.done(b)
	victim.cookies["ST"] = attacker.cookies["ST"]

	victim.signOn(t, alice)
	if victim.cookies["ST"] == attacker.cookies["ST"] {
		t.Error("the planted value is still the cookie")
	}
	if got := attacker.who(t); got != "" {
		t.Errorf("the attacker is %q, want nobody", got)
	}
	after := victim.read(t)
	if !after.Holds(planted) {
		t.Error("the victim does not hold what was begun before sign-on, want their own tabs to go on")
	}
	if attacker.read(t).Holds(after.Binding()) {
		t.Error("the attacker holds what is bound after sign-on")
	}

	// The other way round: the attacker's own session, planted.
	attacker = k.agent()
	attacker.signOn(t, bob)
	victim = k.agent()
	victim.cookies["ST"] = attacker.cookies["ST"]
	victim.signOn(t, alice)
	if got := attacker.who(t); got != "" {
		t.Errorf("the attacker is %q, want nobody: alice has ended that session", got)
	}
}

func twoTabs(t *testing.T) {
	k := newKit(t)
	a := k.agent()
	tab1 := a.read(t)
	k.Begin(tab1)
	first := tab1.Binding()
	a.done(tab1)
	tab2 := a.read(t)
	k.Begin(tab2)
	if tab2.Binding() != first {
		t.Error("the second tab got another cookie, want the browser's")
	}
	a.done(tab2)

	a.signOn(t, alice) // in the first tab
	if !a.read(t).Holds(first) {
		t.Error("the second tab's flow is lost")
	}
	// Signing on in the second tab, whose page was loaded before: as somebody else.
	b := a.read(t)
	replaced, err := k.SignOn(t.Context(), k.env, b, pwd(bob))
	if err != nil || replaced == nil {
		t.Fatalf("replaced = %v, %v, want alice's session", replaced, err)
	}
	a.done(b)
	if !a.read(t).Holds(first) {
		t.Error("what the browser began is lost when somebody else signs on")
	}
	if k.agent().read(t).Holds(first) {
		t.Error("another browser holds it")
	}
}

func rotation(t *testing.T) {
	k := newKit(t)
	a := k.agent()
	b := a.read(t)
	k.Begin(b)
	bindings := []store.Hash{b.Binding()}
	a.done(b)
	for range 6 {
		a.signOn(t, alice)
		bindings = append(bindings, a.read(t).Binding())
	}
	for i, h := range bindings {
		if slices.Index(bindings, h) != i {
			t.Errorf("sign-on %d gave an earlier value again", i)
		}
		if got, want := a.read(t).Holds(h), i >= len(bindings)-5; got != want {
			t.Errorf("value %d of %d: held = %v, want %v: the cookie and the four before it", i, len(bindings), got, want)
		}
	}
	if a.read(t).Holds(store.Hash{}) || k.agent().read(t).Holds(store.Hash{}) {
		t.Error("what is bound to nothing is held by somebody")
	}
}

func afterLogout(t *testing.T) {
	k := newKit(t)
	a := k.agent()
	id := a.signOn(t, alice).ID
	thief := k.agent()
	thief.cookies["ST"] = a.cookies["ST"]
	held := a.read(t).Binding()
	b := a.read(t)
	if _, err := k.End(t.Context(), k.env, id, b); err != nil {
		t.Fatal(err)
	}
	a.done(b)
	if got := thief.who(t); got != "" {
		t.Errorf("the cookie after logout: %q, want nobody", got)
	}
	if a.read(t).Holds(held) {
		t.Error("the browser holds what it began before, without a cookie")
	}
	a.signOn(t, alice)
	if got := thief.who(t); got != "" {
		t.Errorf("the old cookie after the next sign-on: %q, want nobody", got)
	}
}

func oneEnvironment(t *testing.T) {
	k := newKit(t)
	other := *k.env
	other.ID = "0d000000-0000-4000-8000-00000000000d"
	other.Issuer = "https://auth.example.com/" + other.ID + "/as"
	here, there := k.agent(), k.agent()
	id := here.signOn(t, alice).ID
	b := there.read(t)
	if _, err := k.SignOn(t.Context(), &other, b, pwd(alice)); err != nil {
		t.Fatal(err)
	}
	set := written(b, &other)
	if len(set) == 0 || !strings.Contains(set[0], "Path=/"+other.ID) {
		t.Errorf("Set-Cookie: %q, want the other environment's path", set)
	}
	if _, err := k.End(t.Context(), k.env, id, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := k.ByID(t.Context(), &other, b.Session.ID); err != nil {
		t.Errorf("the session of the other environment: %v, want it untouched", err)
	}
}

func TestBrowserState(t *testing.T) {
	k := newKit(t)
	a := k.agent()
	const client, origin, salt = "web", "https://app.example.com", "c2FsdA"
	// What the check-session iframe computes of the cookie it reads.
	iframe := func() string {
		sum := sha256.Sum256([]byte(client + " " + origin + " " + a.cookies["ST-S"] + " " + salt))
		return base64.RawURLEncoding.EncodeToString(sum[:]) + "." + salt
	}
	seen := map[string]bool{}
	step := func(when string, change bool) {
		t.Helper()
		b := a.read(t)
		a.done(b)
		state := b.State(client, origin, salt)
		if state != iframe() || strings.Contains(state, " ") {
			t.Errorf("%s: session_state = %q, want what the iframe computes, %q", when, state, iframe())
		}
		if seen[state] == change {
			t.Errorf("%s: seen before: %v, want %v", when, seen[state], !change)
		}
		seen[state] = true
		if other := b.State("spa", origin, salt); other == state {
			t.Errorf("%s: another client has the same session_state", when)
		}
	}
	step("nobody signed on", true)
	a.signOn(t, alice)
	if a.cookies["ST-S"] == a.cookies["ST"] || a.cookies["ST-S"] == "" {
		t.Error("the state is the session's secret, or missing")
	}
	hash := sha256.Sum256([]byte(a.cookies["ST"]))
	if a.cookies["ST-S"] == base64.RawURLEncoding.EncodeToString(hash[:]) {
		t.Error("the state is the hash that the store knows the session by")
	}
	step("signed on", true)
	step("a second request", false)
	if set := a.done(a.read(t)); len(set) != 0 {
		t.Errorf("a third request set %v, want nothing", set)
	}
	a.cookies["ST-S"] = value
	step("somebody has overwritten the state: put right", false)
	delete(a.cookies, "ST-S")
	step("or deleted it", false)
	a.signOn(t, alice)
	step("signed on again", true)
	k.clock.Advance(31 * 24 * time.Hour)
	step("the session has ended by itself", false) // as before sign-on
	if _, ok := a.cookies["ST-S"]; ok {
		t.Error("ST-S is still there, want it deleted")
	}
}

func FuzzCookie(f *testing.F) {
	for _, s := range []string{"ST=" + value, "ST=" + value + "; ST=" + value, `ST="` + value + `"`, "ST=" + value + "\x00", "=;;ST", "ST-S=" + value} {
		f.Add(s)
	}
	k := newKit(f)
	f.Fuzz(func(t *testing.T, header string) {
		r := httptest.NewRequest(http.MethodGet, "https://auth.example.com/", nil)
		r.Header["Cookie"] = []string{header}
		b, err := k.Read(r, k.env)
		if err != nil {
			t.Fatalf("error = %v, want a bad cookie to be as good as none", err)
		}
		if b.Session != nil {
			t.Fatal("somebody is signed on")
		}
		before := b.Binding()
		k.Begin(b)
		set := written(b, k.env)
		for _, c := range set {
			if strings.HasPrefix(c, "ST=") && strings.TrimLeft(c[3:], chars) != "; Path=/"+envID+"; HttpOnly; Secure; SameSite=None" {
				t.Errorf("Set-Cookie: %q", c)
			}
		}
		if before != (store.Hash{}) && before != b.Binding() {
			t.Error("a cookie that counts was replaced")
		}
	})
}

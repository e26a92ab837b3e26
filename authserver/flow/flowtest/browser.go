package flowtest

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"

	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Browser is a cookie jar at an address. It belongs to one goroutine; see Copy.
type Browser struct {
	rig     *Rig
	Address string
	// Cookies by environment and name.
	Cookies map[[2]string]string
}

// Browser makes an empty one.
func (g *Rig) Browser() *Browser {
	return &Browser{rig: g, Address: "192.0.2.1", Cookies: map[[2]string]string{}}
}

// Copy is a browser with the same cookies: a second request at the same time, or
// somebody who stole them.
func (b *Browser) Copy() *Browser {
	return &Browser{rig: b.rig, Address: b.Address, Cookies: maps.Clone(b.Cookies)}
}

// Dress gives a request the browser's cookies and address.
func (b *Browser) Dress(r *http.Request, env *store.Environment) *http.Request {
	r.RemoteAddr = b.Address + ":50000"
	for _, key := range slices.SortedFunc(maps.Keys(b.Cookies), func(x, y [2]string) int { return slices.Compare(x[:], y[:]) }) {
		if key[0] == env.ID {
			r.AddCookie(&http.Cookie{Name: key[1], Value: b.Cookies[key]})
		}
	}
	return r
}

// Keep takes the cookies of an answer.
func (b *Browser) Keep(env *store.Environment, answer *http.Response) {
	for _, c := range answer.Cookies() {
		key := [2]string{env.ID, c.Name}
		if c.MaxAge < 0 {
			delete(b.Cookies, key)
		} else {
			b.Cookies[key] = c.Value
		}
	}
}

// Request is what the server knows of a request of this browser.
func (b *Browser) Request(env *store.Environment) *session.Browser {
	b.rig.T.Helper()
	s, err := b.rig.Sessions.Read(b.Dress(httptest.NewRequest(http.MethodGet, "/", nil), env), env)
	if err != nil {
		b.rig.T.Fatalf("read the browser's session: %v", err)
	}
	return s
}

// Answer takes the cookies that a request led to.
func (b *Browser) Answer(env *store.Environment, s *session.Browser) {
	w := httptest.NewRecorder()
	s.WriteCookies(w, env)
	b.Keep(env, w.Result())
}

// Session is who is signed on in the browser; nil for nobody.
func (b *Browser) Session() *session.Session { return b.Request(b.rig.Env).Session }

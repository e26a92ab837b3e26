package session

import (
	"crypto/subtle"
	"net/http"
	"strings"
	"unicode"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Browser is who sent a request: the cookie it holds, and the session behind it.
// Methods of Sessions change it; WriteCookies sends what changed. It belongs to one request.
//
// Before sign-on the cookie is a random value that a flow is bound to; it is
// replaced at every change of privilege. A session remembers the few values that it grew out of, so that a flow
// which another tab began before sign-on goes on, and a value somebody else planted is worth nothing: it never
// stands for a session.
type Browser struct {
	// Session is nil where nobody is signed on.
	Session   *Session
	Address   string // client's address without port
	UserAgent string // at most 512 bytes, printable

	token secret.Value // value of ST, as sent or as it will be set; zero: none
	rec   *record      // of Session, as read; its lineage counts
	// presented: the request had a cookie of this name, of whatever value.
	presentedST, presentedState bool
	state                       string // value of ST-S as the browser has it
	set                         bool   // ST is to be sent
}

// browser reads everything that needs no store.
func (s *Sessions) browser(r *http.Request) *Browser {
	b := &Browser{Address: web.Address(s.Address, r), UserAgent: userAgent(r.UserAgent())}
	b.token, b.presentedST = tokenOf(r)
	b.state, b.presentedState = stateOf(r)
	return b
}

func (b *Browser) attach(rec *record) {
	b.rec, b.Session = rec, rec.session()
}

// become makes b the browser of rec under a new cookie value.
func (b *Browser) become(rec *record, value secret.Value) {
	b.token, b.set = value, true
	b.attach(rec)
}

func (b *Browser) forget() {
	b.Session, b.rec = nil, nil
	b.token, b.set = secret.Value{}, true
}

// Begin makes sure that the browser has a cookie which a flow can be bound to.
func (s *Sessions) Begin(b *Browser) {
	if b.token.IsZero() {
		b.token, b.set = s.NewSecret(), true
	}
}

// Binding is what a flow remembers of the browser that began it; zero, which no
// browser holds, before Begin.
func (b *Browser) Binding() store.Hash {
	if b.token.IsZero() {
		return store.Hash{}
	}
	return b.token.Hash()
}

// Holds reports whether this browser began what is bound to h: with the cookie that it
// has, or, since then signed on, with one that its session grew out of.
//
// It says nothing about who is signed on. Whoever planted a cookie in somebody
// else's browser holds what was begun there: a flow that has got a person must
// be bound anew, to the cookie after SignOn, and must compare the session too.
func (b *Browser) Holds(h store.Hash) bool {
	if h == (store.Hash{}) {
		return false
	}
	if own := b.Binding(); subtle.ConstantTimeCompare(own[:], h[:]) == 1 {
		return true
	}
	return b.rec != nil && b.rec.grewOutOf(h)
}

const maxUserAgent = 512

// userAgent is what is kept of a User-Agent header: it ends in lists that people read.
func userAgent(header string) string {
	if len(header) > maxUserAgent {
		header = header[:maxUserAgent]
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) && r != unicode.ReplacementChar {
			return r
		}
		return -1
	}, strings.ToValidUTF8(header, ""))
}

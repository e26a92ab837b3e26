package session

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// The cookies.
const (
	// Cookie holds the secret that stands for the session: PingOne's name.
	Cookie = "ST"
	// StateCookie holds the OP browser state (OIDC Session Management §3.2), which
	// is no secret.
	StateCookie = "ST-S"
)

// tokenSize is the length of a cookie's value in bytes, before base64url.
const tokenSize = 32

// tokenOf reads the cookie ST. One that we cannot have made is as good as none.
// So are two: somebody who may set cookies for a neighbouring host or path has
// added theirs, and which is which cannot be told (RFC 6265 §8.6).
func tokenOf(r *http.Request) (value secret.Value, presented bool) {
	found := r.CookiesNamed(Cookie)
	if len(found) != 1 || !wellFormed(found[0].Value) {
		return secret.Value{}, len(found) > 0
	}
	return secret.Of(found[0].Value), true
}

func stateOf(r *http.Request) (value string, presented bool) {
	found := r.CookiesNamed(StateCookie)
	if len(found) == 1 && wellFormed(found[0].Value) {
		return found[0].Value, true
	}
	return "", len(found) > 0
}

// wellFormed reports whether value is canonical base64url of 32 bytes.
func wellFormed(value string) bool {
	if len(value) != base64.RawURLEncoding.EncodedLen(tokenSize) || strings.ContainsAny(value, "\r\n") {
		return false
	}
	_, err := base64.RawURLEncoding.Strict().DecodeString(value)
	return err == nil
}

// WriteCookies sends the cookies that changed: ST (HttpOnly, Path of the environment, Secure and SameSite=None where
// the issuer is https; Lax on a loopback http issuer) and ST-S, the OP browser
// state that the check-session iframe reads (OIDC Session Management §3.2), not HttpOnly.
// Both end with the browser; the session behind them may end sooner. A second call sends nothing.
func (b *Browser) WriteCookies(w http.ResponseWriter, env *store.Environment) {
	if b.set && env.Home != "" {
		b.set = false // another cookie has the session there, and it is not ours to write
	}
	if b.set {
		if value := b.token.Reveal(); value != "" {
			http.SetCookie(w, cookie(env, Cookie, value, true))
		} else if b.presentedST {
			http.SetCookie(w, expired(cookie(env, Cookie, "", true)))
		}
		b.set, b.presentedST = false, !b.token.IsZero()
	}
	// The state is put right even where nothing happened now: a session that ended by itself must
	// show, or its clients go on believing in it.
	switch state := b.browserState(); {
	case state != "" && state != b.state:
		http.SetCookie(w, cookie(env, StateCookie, state, false))
		b.state, b.presentedState = state, true
	case state == "" && b.presentedState:
		http.SetCookie(w, expired(cookie(env, StateCookie, "", false)))
		b.state, b.presentedState = "", false
	}
}

// HandOver gives the browser the cookie ST of b's session at the environment's home (store.Environment.Home), where
// another cookie has it here. A home at another origin cannot be given one.
func (b *Browser) HandOver(w http.ResponseWriter, env *store.Environment) {
	if b.Session != nil && env.Home != "" && origin(env.Home) == origin(env.Issuer) {
		http.SetCookie(w, cookie(env.At(store.Domain{Issuer: env.Home}), Cookie, b.token.Reveal(), true))
	}
}

func origin(issuer string) string {
	u, err := url.Parse(issuer)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

func cookie(env *store.Environment, name, value string, httpOnly bool) *http.Cookie {
	c := &http.Cookie{Name: name, Value: value, Path: path(env.Issuer), HttpOnly: httpOnly}
	if strings.HasPrefix(env.Issuer, "https://") {
		// None: form_post answers and the check-session iframe are cross-site requests.
		c.Secure, c.SameSite = true, http.SameSiteNoneMode
	} else {
		c.SameSite = http.SameSiteLaxMode
	}
	return c
}

func expired(c *http.Cookie) *http.Cookie {
	c.MaxAge = -1
	c.Expires = time.Unix(1, 0)
	return c
}

// path is that of the environment: the issuer's without "/as", or "/" where
// nothing is left, at a custom domain.
func path(issuer string) string {
	u, err := url.Parse(issuer)
	if err != nil {
		return "/"
	}
	if p := strings.TrimSuffix(u.EscapedPath(), "/as"); p != "" {
		return p
	}
	return "/"
}

// browserState is the OP browser state: it changes when somebody signs on or off, tells
// nothing else, and does not lead back to the cookie. "" where nobody is signed on.
func (b *Browser) browserState() string {
	if b.Session == nil {
		return ""
	}
	token := b.token.Hash()
	sum := sha256.Sum256([]byte("gatehouse browser state\x00" + b.Session.ID + "\x00" + string(token[:])))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// State is the session_state of an authorization response to a client at origin:
// "<hash>.<salt>" (OIDC Session Management §3.2), where hash is base64url of the SHA-256 of
// client, origin, the value of ST-S ("" where there is none) and salt, with spaces between. The
// check-session iframe computes the same. salt is without spaces and full stops.
func (b *Browser) State(client, origin, salt string) string {
	sum := sha256.Sum256([]byte(client + " " + origin + " " + b.browserState() + " " + salt))
	return base64.RawURLEncoding.EncodeToString(sum[:]) + "." + salt
}

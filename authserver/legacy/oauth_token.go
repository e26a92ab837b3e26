package legacy

import (
	"cmp"
	"strings"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// home is one environment that tokens are looked for in, as a realm sees it.
type home struct {
	realm *realm
	env   *store.Environment
	// whole: of every realm that the environment is, realm being the first of them.
	whole bool
}

// seat is the home of a token with an iss: false for one of another realm that is the same environment. Of the
// environment's own issuer they are every realm's.
func (l *Legacy) seat(h home, issuer string) (home, bool) {
	switch r := l.realmOf(issuer); {
	case r == nil || r == h.realm || r.environment != h.env.ID:
		return h, true
	case !h.whole:
		return h, false
	default:
		h.realm = r
		return h, true
	}
}

// oauthToken is one access or refresh token that works.
type oauthToken struct {
	home
	record *token.Record // of an access token
	held   *token.Held   // of a refresh token
	client *store.Client
}

// The values of tokenName.
const (
	accessTokenName  = "access_token"
	refreshTokenName = "refresh_token"
)

func (t *oauthToken) name() string {
	if t.record != nil {
		return accessTokenName
	}
	return refreshTokenName
}

// tokenType is token_type: of an access token that is bound to a key it is DPoP.
func (t *oauthToken) tokenType() string {
	if t.record != nil {
		return t.record.Bound.Type()
	}
	return token.Confirmation{}.Type()
}

// subject is whose token it is; "" for a token of client credentials.
func (t *oauthToken) subject() string {
	if t.record != nil {
		return t.record.Subject
	}
	return t.held.Authorization.On.Subject
}

// userName is what AM calls the resource owner: the ID of the person, or the client itself.
func (t *oauthToken) userName() string {
	if s := t.subject(); s != "" {
		return s
	}
	return t.client.ID
}

// grant is the ID of the authorization that it came of, which is its refresh tokens' as well; "" where there is none.
func (t *oauthToken) grant() string {
	if t.record != nil {
		return t.record.Grant
	}
	return t.held.Authorization.Grant
}

func (t *oauthToken) session() string {
	if t.record != nil {
		return t.record.Session
	}
	return t.held.Authorization.On.Session
}

// handle names it without being a credential: it opens nothing but what its
// caller may see anyway.
func (t *oauthToken) handle() string {
	if t.record != nil {
		return t.record.Handle()
	}
	return t.held.Authorization.Grant
}

// id orders the tokens of one kind, as stores do.
func (t *oauthToken) id() string {
	if t.record != nil {
		return t.record.ID
	}
	return t.held.Authorization.Grant
}

func (t *oauthToken) scope() []string {
	if t.record != nil {
		return strings.Fields(t.record.Scope)
	}
	return t.held.Authorization.Scope
}

func (t *oauthToken) expires() time.Time {
	if t.record != nil {
		return t.record.ExpiresAt
	}
	return t.held.ExpiresAt
}

func (t *oauthToken) grantType() string {
	if t.record == nil {
		return oauth.GrantAuthorizationCode // no other one has refresh tokens
	}
	return grantTypeOf(t.record)
}

// grantTypeOf is the grant_type that made an access token.
func grantTypeOf(r *token.Record) string { return cmp.Or(r.GrantType, oauth.GrantClientCredentials) }

func (t *oauthToken) redirectURI() string {
	if t.record != nil {
		return t.record.RedirectURI
	}
	return t.held.Authorization.RedirectURI
}

func (t *oauthToken) nonce() string {
	if t.record != nil {
		return t.record.Nonce
	}
	return t.held.Authorization.Nonce
}

// authTime is when the person signed on, in seconds; 0 where no one did.
func (t *oauthToken) authTime() int64 {
	switch {
	case t.record != nil:
		return t.record.AuthTime
	case t.held.Authorization.On.AuthTime.IsZero():
		return 0
	}
	return t.held.Authorization.On.AuthTime.Unix()
}

func (t *oauthToken) acr() string {
	if t.record != nil {
		return t.record.ACR
	}
	return t.held.Authorization.On.ACR
}

func (t *oauthToken) amr() []string {
	if t.record != nil {
		return t.record.AMR
	}
	return t.held.Authorization.On.AMR
}

// parent is what an access token came of: its authorization, since codes are kept by no one. A refresh token is
// the authorization itself, and a client's own token came of nothing.
func (t *oauthToken) parent() string {
	if t.record != nil {
		return t.record.Grant
	}
	return ""
}

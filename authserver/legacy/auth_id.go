package legacy

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// state is what a Legacy keeps between requests: the key of authIds.
type state struct {
	mu  sync.Mutex
	key *jose.Key
	raw []byte
}

// An authId stands for a sign-on that was begun: a JWT of a type and a key of its
// own, so that it is worth nothing as any other token, nor any other one as it. Nothing is stored for
// it until it is used, so that no flood of beginnings fills anything; then its ID is, for as long as it
// would be good, since it is good once.
const (
	authIDType = "am-authid+jwt"
	authIDKey  = "am authId v1 HS256"
	authIDLife = 5 * time.Minute
	maxAuthID  = 4096
)

// errTimedOut: the authId is altered, expired, used, or of another realm or service.
var errTimedOut = errors.New("the authId is not good")

// The steps of a sign-on: what the next callbacks ask for.
const (
	stepCredentials = "credentials"
	stepChange      = "change"
)

// authID is what an authId says.
type authID struct {
	ID        string `json:"jti"`
	Realm     string `json:"realm"`
	Service   string `json:"service"`
	Step      string `json:"step"`
	Subject   string `json:"sub,omitempty"` // of whom the password was right; with stepChange
	NoSession bool   `json:"no_session,omitempty"`
	Expires   int64  `json:"exp"`
}

// signingKey is the same on every node.
func (l *Legacy) signingKey() (*jose.Key, []byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.key == nil {
		sealer, err := l.Sealer(false)
		if err != nil {
			return nil, nil, oauth.CannotTell("key of authIds", err)
		}
		raw := sealer.Subkey(authIDKey)
		key, err := jose.NewSecretKey("", raw)
		if err != nil {
			return nil, nil, oauth.CannotTell("key of authIds", err)
		}
		l.key, l.raw = key, raw
	}
	return l.key, l.raw, nil
}

// newAuthID signs one.
func (l *Legacy) newAuthID(a authID) (string, error) {
	_, raw, err := l.signingKey()
	if err != nil {
		return "", err
	}
	a.ID, a.Expires = l.NewID(), l.Now().Add(authIDLife).Unix()
	return jose.SignSecret(jose.HS256, raw, authIDType, mustMarshal(a))
}

// readAuthID reads one that is still good as far as the text says: errTimedOut otherwise.
func (l *Legacy) readAuthID(text string) (authID, error) {
	key, _, err := l.signingKey()
	if err != nil {
		return authID{}, err
	}
	jws, err := jose.Parse(text, jose.Limits{Size: maxAuthID})
	if err != nil || jws.Header.Algorithm != jose.HS256 || jws.Header.Type != authIDType || jws.Verify(key) != nil {
		return authID{}, errTimedOut
	}
	claims, err := jws.Claims()
	if err != nil {
		return authID{}, errTimedOut
	}
	var a authID
	for name, to := range map[string]any{
		"jti": &a.ID, "realm": &a.Realm, "service": &a.Service, "step": &a.Step, "sub": &a.Subject, "no_session": &a.NoSession, "exp": &a.Expires,
	} {
		if text, ok := claims.Raw(name); ok && json.Unmarshal(text, to) != nil {
			return authID{}, errTimedOut
		}
	}
	if a.ID == "" || l.Now().Unix() >= a.Expires {
		return authID{}, errTimedOut
	}
	return a, nil
}

// spendAuthID has an authId count once, on all nodes.
func (c *call) spendAuthID(a authID) error {
	env := c.l.root.env.ID
	if c.env != nil {
		env = c.env.ID
	}
	now := c.l.Now()
	err := c.l.Store.Spend(c.r.Context(), env, sha256.Sum256([]byte("am authId\x00"+a.ID)), time.Unix(a.Expires, 0), now)
	switch {
	case errors.Is(err, store.ErrSpent):
		return errTimedOut
	case err != nil:
		return oauth.CannotTell("spend authId", err)
	}
	return nil
}

package token

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/cache"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/keys"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// ErrInactive means that this is not a token of the environment that works now. The reason
// is in the text, for the log; a client learns only that it is not active.
var ErrInactive = errors.New("inactive token")

// Active is an access token of ours whose signature (or record, if it is opaque) and times
// were good. It is shared and read only.
type Active struct {
	Environment string // id
	Issuer      string
	Client      string
	Audience    []string
	// Personal: a user granted it (it has a sub or a sid). Person says who.
	Personal  bool
	Person    *Person // nil unless Personal
	ExpiresAt time.Time
	// Bound is what its holder must prove to possess. Verify does not ask for it: whoever takes the token for a credential does.
	Bound Confirmation
	// Introspection is the whole answer of RFC 7662 §2.2, rendered once.
	Introspection []byte
	// Outside is the answer for its client where the token is encrypted, which keeps the rest from that (RFC 9068 §6); nil otherwise.
	Outside []byte

	holder Holder
	kid    string                    // "" of an opaque one, which no key has signed
	ring   atomic.Pointer[keys.Ring] // the ring that last had the key
	epoch  atomic.Uint64             // revocations' epoch+1 when it was last found not revoked
}

// Person is whom an access token speaks for, and what of them it shows.
type Person struct {
	Subject, Session, Grant string
	Scope                   []string
	// UserInfo names claims beyond those of Scope, see Access.UserInfo.
	UserInfo []string
}

// ID is the jti.
func (a *Active) ID() string { return a.holder.ID }

// Verifier reads access tokens of this server and remembers them. Safe for
// concurrent use.
type Verifier struct {
	Keys        *keys.Rings
	Revocations *Revocations
	Cache       *cache.Cache[*Active]
	// Store has the records of opaque tokens.
	Store store.AccessTokens
	Now   func() time.Time
}

// Verify reads raw and reports whether it works in env: ErrInactive, or
// temporarily_unavailable when that cannot be told.
func (v *Verifier) Verify(ctx context.Context, env *store.Environment, raw string) (*Active, error) {
	a, err := v.Read(ctx, env, raw)
	if err != nil {
		return nil, err
	}
	epoch := v.Revocations.Epoch() // before Revoked
	if a.epoch.Load() == epoch+1 {
		return a, nil
	}
	if err := v.Revocations.Wait(ctx); err != nil {
		return nil, unavailable(err)
	}
	switch revoked, err := v.Revocations.Revoked(env.ID, a.holder); {
	case err != nil:
		return nil, unavailable(err)
	case revoked:
		return nil, inactive("revoked")
	}
	a.epoch.Store(epoch + 1)
	return a, nil
}

// Read is Verify without asking whether the token has been revoked.
func (v *Verifier) Read(ctx context.Context, env *store.Environment, raw string) (*Active, error) {
	now := v.Now()
	unsigned := IsOpaque(raw)
	var ring *keys.Ring
	if !unsigned {
		var err error
		if ring, err = v.Keys.Ring(ctx, env); err != nil {
			return nil, unavailable(err)
		}
	}
	if a, ok := v.Cache.Get(raw, now); ok {
		if a.Environment != env.ID || !speaksFor(env, a.Issuer) || !now.Before(a.ExpiresAt) {
			return nil, inactive("foreign or expired")
		}
		if !unsigned && a.ring.Load() != ring {
			if !ring.Set.HasID(a.kid) {
				return nil, inactive("its key is withdrawn")
			}
			a.ring.Store(ring)
		}
		return a, nil
	}
	read := v.read
	switch {
	case unsigned:
		read = v.readOpaque
	case jose.LooksLikeJWE(raw):
		read = v.readEncrypted
	}
	a, err := read(ctx, env, raw, now)
	if err != nil {
		return nil, err
	}
	raw = strings.Clone(raw)                            // it may be part of a form that holds a secret
	cost := len(a.Introspection) + len(a.Outside) + 400 // the struct and its strings, roughly
	if a.Person != nil {
		cost += 400
	}
	v.Cache.Put(raw, a, cost, now, a.ExpiresAt)
	return a, nil
}

// read verifies one token in full.
func (v *Verifier) read(ctx context.Context, env *store.Environment, raw string, now time.Time) (*Active, error) {
	ring, jws, c, err := v.open(ctx, env, raw)
	if err != nil {
		return nil, err
	}
	switch {
	case !isAccessToken(&jws.Header, c):
		return nil, inactive("not an access token")
	case !speaksFor(env, c.Issuer):
		return nil, inactive("of another issuer")
	case !now.Before(c.Expiry):
		return nil, inactive("expired")
	}
	a, err := active(env, c)
	if err != nil {
		return nil, err
	}
	a.kid = jws.Header.KeyID
	a.ring.Store(ring)
	return a, nil
}

// active is a token of env that says c. One that is bound to what nobody here can judge is ErrInactive.
func active(env *store.Environment, c *jose.Claims) (*Active, error) {
	bound, ok := confirmationOf(c)
	if !ok {
		return nil, inactive("bound to something unknown")
	}
	a := &Active{
		Environment: env.ID, Issuer: c.Issuer, Client: c.ClientID, Audience: c.Audience, ExpiresAt: c.Expiry,
		Bound: bound, holder: holder(c), Introspection: answer(c, bound),
	}
	if a.Personal = a.holder.Subject != "" || a.holder.Session != ""; a.Personal {
		a.Person = &Person{
			Subject: a.holder.Subject, Session: a.holder.Session, Grant: a.holder.Grant,
			Scope: c.Scope, UserInfo: texts(c, claimUserInfo),
		}
	}
	return a, nil
}

// open verifies the signature of anything that the environment's keys have signed.
func (v *Verifier) open(ctx context.Context, env *store.Environment, raw string) (*keys.Ring, *jose.JWS, *jose.Claims, error) {
	jws, err := jose.Parse(raw, jose.Limits{})
	if err != nil {
		return nil, nil, nil, inactive("%v", err)
	}
	if !jws.Header.HasKeyID {
		return nil, nil, nil, inactive("no key is named")
	}
	ring, err := v.Keys.RingFor(ctx, env, jws.Header.KeyID)
	if err != nil {
		return nil, nil, nil, unavailable(err)
	}
	key := ring.Set.Find(&jws.Header)
	if key == nil {
		return nil, nil, nil, inactive("no key fits")
	}
	if err := jws.Verify(key); err != nil {
		return nil, nil, nil, inactive("%v", err)
	}
	c, err := jws.Claims()
	if err != nil {
		return nil, nil, nil, inactive("%v", err)
	}
	return ring, jws, c, nil
}

// speaksFor reports whether iss is one of env's own: through whichever domain a
// token is shown, it may have been issued through another.
func speaksFor(env *store.Environment, iss string) bool {
	return iss == env.Issuer || slices.Contains(env.AllIssuers, iss)
}

// isAccessToken tells access tokens from whatever else the environment's keys
// sign. The typ alone cannot: an environment may be configured to leave it out,
// and tokens outlive the configuration that shaped them.
func isAccessToken(h *jose.Header, c *jose.Claims) bool {
	if h.Type != "" && !h.TypeIs(oauth.TypeAccessToken) && !h.TypeIs("JWT") {
		return false
	}
	return complete(c)
}

// complete reports whether c has what every access token has.
func complete(c *jose.Claims) bool {
	return c.ClientID != "" && c.ID != "" && len(c.Audience) > 0 && !c.Expiry.IsZero() && !c.IssuedAt.IsZero()
}

func holder(c *jose.Claims) Holder {
	h := Holder{ID: c.ID, Client: c.ClientID, Subject: c.Subject, Audience: c.Audience, IssuedAt: c.IssuedAt}
	h.Session, _ = c.Text("sid")
	h.Grant, _ = c.Text(claimGrant)
	if unmapped, ok := c.Text(claimSubject); ok {
		h.Subject = unmapped
	}
	h.Origins = originsOf(c)
	return h
}

// texts gives a claim that is an array of text; of anything else nothing.
func texts(c *jose.Claims, name string) []string {
	v, _ := c.Value(name)
	list, _ := v.([]any)
	var out []string
	for _, e := range list {
		s, ok := e.(string)
		if !ok {
			return nil
		}
		out = append(out, s)
	}
	return out
}

// answer renders the introspection response.
func answer(c *jose.Claims, bound Confirmation) []byte {
	b := make([]byte, 0, 512)
	b = append(b, `{"active":true`...)
	if len(c.Scope) > 0 {
		b = member(b, "scope", join(c.Scope))
	}
	b = member(b, "client_id", c.ClientID)
	b = member(b, "token_type", bound.Type())
	b = member(b, "iss", c.Issuer)
	if c.Subject != "" {
		b = member(b, "sub", c.Subject)
	}
	b = array(b, "aud", c.Audience)
	b = seconds(b, "iat", c.IssuedAt)
	b = seconds(b, "exp", c.Expiry)
	b = member(b, "jti", c.ID)
	b = answerSignedOn(b, c)
	for _, name := range [...]string{"sid", claimGrant, "env", "org"} {
		if s, ok := c.Text(name); ok {
			b = member(b, name, s)
		}
	}
	if !bound.IsZero() {
		b = confirmation(b, bound)
	}
	if act, ok := c.Raw(claimActor); ok {
		b = append(key(b, claimActor), act...) // RFC 8693 §4.1
	}
	return append(answerMapped(b, c), '}')
}

// answerMapped copies what resources map: all that is not the token's own.
func answerMapped(b []byte, c *jose.Claims) []byte {
	for _, name := range c.Names() {
		if store.ReservedAttribute(name) {
			continue
		}
		if value, ok := c.Raw(name); ok {
			b = append(append(append(b, ','), text(nil, name)...), ':')
			b = append(b, value...)
		}
	}
	return b
}

// answerSignedOn copies auth_time, acr and amr.
func answerSignedOn(b []byte, c *jose.Claims) []byte {
	if v, ok := c.Value("auth_time"); ok {
		if n, ok := v.(json.Number); ok {
			b = append(key(b, "auth_time"), n...)
		}
	}
	if acr, ok := c.Text("acr"); ok {
		b = member(b, "acr", acr)
	}
	if amr := texts(c, "amr"); len(amr) > 0 {
		b = array(b, "amr", amr)
	}
	return b
}

func inactive(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, slices.Insert(args, 0, any(ErrInactive))...)
}

package token

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// MaxOrigins is how many tokens one may name that it was exchanged for, those included that somebody acted with.
const MaxOrigins = 3 * MaxExchanges

// MaxExchanges is how many tokens may have been exchanged for one, one after the other, and how many actors one may name.
const MaxExchanges = 10

// Subject is a token of ours that is exchanged for another one (RFC 8693), or that says who acts: it worked when it was read.
type Subject struct {
	Client string // that it was issued to
	// User, Session and Grant are of the person whom it speaks for; User and Session are "" of a client's own. Grant is "" of an ID token.
	User, Session, Grant string
	AuthTime             time.Time // zero where it says nothing
	ACR                  string
	AMR                  []string
	// Scope and Audience are those of an access token; an ID token has none that count.
	Scope, Audience []string
	ExpiresAt       time.Time
	Bound           Confirmation
	// Unproved: it is bound, and exchanged by a client that may do so without a proof (store.Client.ExchangesBound).
	Unproved bool
	// Actor is its act claim, nil for none. Origins are the tokens that it was exchanged for itself.
	Actor   *Actor
	Origins []Origin

	id string // jti; "" of an ID token
}

// Personal reports whether a person granted it.
func (s *Subject) Personal() bool { return s.User != "" || s.Session != "" }

// Chain is s and what it was exchanged for, the first one first: the Origins of a token that s is exchanged for.
func (s *Subject) Chain() []Origin {
	return append(slices.Clone(s.Origins), Origin{ID: s.id, Client: s.Client, Audience: s.Audience, Scope: s.Scope, Unproved: s.Unproved})
}

// ActorChain is Chain of a token that somebody acts with: what ends it, or what it is of, ends what was made for who acted. Nothing of it says what the
// new token may be for.
func (s *Subject) ActorChain() []Origin {
	all := s.Chain()
	for i := range all {
		all[i].Actor, all[i].Scope, all[i].Unproved = true, nil, false
	}
	last := &all[len(all)-1] // the others are of the same
	last.Grant, last.Session, last.Subject = s.Grant, s.Session, s.User
	return all
}

// Exchanged are those of s.Origins that s was exchanged for, without those that somebody acted with.
func (s *Subject) Exchanged() []Origin { return exchangedFor(s.Origins) }

func exchangedFor(origins []Origin) []Origin {
	return slices.DeleteFunc(slices.Clone(origins), func(o Origin) bool { return o.Actor })
}

// Subject reads a token of env that is to be exchanged, an ID token or an access token: ErrInactive, or temporarily_unavailable when that
// cannot be told. Whether client, person and session are still there is not looked at.
func (v *Verifier) Subject(ctx context.Context, env *store.Environment, raw string, idToken bool) (*Subject, error) {
	if idToken {
		t, err := v.VerifyIDToken(ctx, env, raw)
		if err != nil {
			return nil, err
		}
		s := &Subject{Client: t.Client, User: t.Subject, Session: t.Session, ExpiresAt: t.ExpiresAt}
		return s, s.read(t.claims)
	}
	t, err := v.Verify(ctx, env, raw)
	if err != nil {
		return nil, err
	}
	c, err := v.claimsOf(ctx, env, raw)
	if err != nil {
		return nil, err
	}
	h := &t.holder
	s := &Subject{
		Client: t.Client, User: h.Subject, Session: h.Session, Grant: h.Grant, Scope: c.Scope, Audience: t.Audience,
		ExpiresAt: t.ExpiresAt, Bound: t.Bound, Origins: h.Origins, id: h.ID,
	}
	return s, s.read(c)
}

// read takes from the claims what both kinds say in the same way.
func (s *Subject) read(c *jose.Claims) error {
	if v, ok := c.Value("auth_time"); ok {
		number, _ := v.(json.Number)
		if at, err := number.Int64(); err == nil {
			s.AuthTime = time.Unix(at, 0).UTC()
		}
	}
	s.ACR, _ = c.Text("acr")
	s.AMR = texts(c, "amr")
	raw, ok := c.Raw(claimActor)
	if !ok {
		return nil
	}
	if err := json.Unmarshal(raw, &s.Actor); err != nil || s.Actor == nil {
		return inactive("its act is not one of ours")
	}
	return nil
}

// claimsOf are the claims of an access token that Verify has found good.
func (v *Verifier) claimsOf(ctx context.Context, env *store.Environment, raw string) (*jose.Claims, error) {
	if IsOpaque(raw) || jose.LooksLikeJWE(raw) {
		c, _, err := opaqueClaims(ctx, v.Store, env.ID, raw, func(time.Time) time.Time { return v.Now() })
		if errors.Is(err, store.ErrNotFound) {
			return nil, inactive("unknown, or expired")
		}
		return c, err
	}
	jws, err := jose.Parse(raw, jose.Limits{})
	if err != nil {
		return nil, inactive("%v", err)
	}
	c, err := jws.Claims()
	if err != nil {
		return nil, inactive("%v", err)
	}
	return c, nil
}

// JWT is an access token of env that works as a JWT: itself, if it is one, encrypted or not. See phantom.
func (v *Verifier) JWT(ctx context.Context, env *store.Environment, raw string) (string, error) {
	if !IsOpaque(raw) {
		return raw, nil
	}
	c, err := v.claimsOf(ctx, env, raw)
	if err != nil {
		return "", err
	}
	return phantom(ctx, v.Keys, env, c)
}

// Actor is the act claim: who acts for the subject, and before them others (RFC 8693 §4.1).
type Actor struct {
	Subject string `json:"sub"` // the person, or the client where it acts for itself
	Client  string `json:"client_id,omitempty"`
	Before  *Actor `json:"act,omitempty"`
}

// Actors is how many a names; a may be nil.
func (a *Actor) Actors() int {
	n := 0
	for ; a != nil; a = a.Before {
		n++
	}
	return n
}

// Origin is a token that another one was exchanged for.
type Origin struct {
	ID     string `json:"jti,omitempty"` // "" of an ID token
	Client string `json:"client_id"`
	// Audience and Scope are those that it had, nil of an ID token.
	Audience []string `json:"aud,omitempty"`
	Scope    []string `json:"scope,omitempty"`
	// Unproved: it was bound to what nobody proved to possess when it was exchanged. See Subject.Unproved.
	Unproved bool `json:"unproved,omitempty"`
	// Actor: the token was the actor's, or one that that was exchanged for. Grant, Session and Subject are what the actor's is of; "" of others, whose
	// they share with what they were exchanged for.
	Actor   bool   `json:"actor,omitempty"`
	Grant   string `json:"grant,omitempty"`
	Session string `json:"sid,omitempty"`
	Subject string `json:"sub,omitempty"`
}

// claimActor is RFC 8693 §4.1. claimOrigins is ours alone: by it what ends the token that was exchanged ends what it
// was exchanged for, wherever that is checked. It is a list of Origins.
const (
	claimActor   = "act"
	claimOrigins = "exchanged_from"
)

// exchanged encodes what the token of an exchange has beside others.
func exchanged(b []byte, a *Access) []byte {
	if a.Act != nil {
		act, err := json.Marshal(a.Act)
		if err != nil {
			panic(err) // texts
		}
		b = append(key(b, claimActor), act...)
	}
	if len(a.Origins) == 0 {
		return b
	}
	origins, err := json.Marshal(a.Origins)
	if err != nil {
		panic(err) // texts
	}
	return append(key(b, claimOrigins), origins...)
}

// originsOf reads the claim. Nobody else makes one: what cannot be read is none.
func originsOf(c *jose.Claims) (origins []Origin) {
	raw, ok := c.Raw(claimOrigins)
	if !ok || json.Unmarshal(raw, &origins) != nil {
		return nil
	}
	return origins
}

// exchanged reports whether the token was exchanged for another one, whose authorization it is of.
func (r *Record) exchanged() bool { return r.GrantType == oauth.GrantTokenExchange }

package token

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// SignedOn is what tokens say about how a person signed on.
type SignedOn struct {
	Subject  string    `json:"sub"`
	Session  string    `json:"sid"`
	AuthTime time.Time `json:"auth_time"` // whole seconds
	ACR      string    `json:"acr"`
	AMR      []string  `json:"amr"`
}

// Authorization is what a person granted to a client: what a code stands for,
// and what a refresh token prolongs. It is kept as JSON.
type Authorization struct {
	Grant  string   `json:"grant_id"`
	Client string   `json:"client_id"`
	On     SignedOn `json:"on"`
	// Issuer is the iss of everything that comes of it (OIDC Core §12.2), whichever
	// of the environment's domains is called later. Codes and Refresher fill it in.
	Issuer    string              `json:"iss,omitempty"`
	Scope     []string            `json:"scope,omitempty"`
	Audience  []string            `json:"audience,omitempty"`
	Resources []string            `json:"resources,omitempty"` // see Granted.Resources
	Named     []string            `json:"named,omitempty"`     // the resources that the request named (RFC 8707); nil for none
	TTL       time.Duration       `json:"ttl,omitempty"`       // the longest life of its access tokens
	Claims    oauth.ClaimsRequest `json:"claims"`
	Nonce     string              `json:"nonce,omitempty"`
	// MappedSubject is the sub that the client knows the person by; "" where that is On.Subject.
	MappedSubject string `json:"mapped_sub,omitempty"`
	RedirectURI   string `json:"redirect_uri,omitempty"` // "" where the request had none
	Challenge     string `json:"code_challenge,omitempty"`
	Method        string `json:"code_challenge_method,omitempty"`
	// Authenticated: the client that it was granted to authenticates. It is worth nothing to one that has ceased to: whoever has a code or
	// refresh token could say that they are that one. False in what earlier releases stored.
	Authenticated bool `json:"authenticated,omitempty"`
	// Bound is what the code, and then the refresh token of a public client, is bound to (RFC 9449 §5, §10; RFC 8705 §4).
	Bound Confirmation `json:"cnf,omitzero"`
	// BoundLater: Bound, or a part of it, came as refresh tokens were exchanged. Those from before that were good without.
	BoundLater bool `json:"bound_later,omitempty"`
}

// MayBe reports whether the client, as it is now, may use what was granted to it then: it authenticates if it did.
func (a Authorization) MayBe(client *store.Client) bool {
	return a.Client == client.ID && !(a.Authenticated && client.AuthMethod == oauth.AuthNone)
}

// In is env as the authorization saw it. A domain that the environment has lost
// since is not used any more.
func (a Authorization) In(env *store.Environment) *store.Environment {
	if a.Issuer == "" || a.Issuer == env.Issuer || !slices.Contains(env.AllIssuers, a.Issuer) {
		return env
	}
	return env.At(store.Domain{Issuer: a.Issuer})
}

// Access is the access token that a client gets for it; user is the person of
// a.On. By which grant is for the caller to say.
func (a Authorization) Access(client *store.Client, user *store.User) Access {
	access := Access{
		Client: a.Client, Subject: a.On.Subject, Session: a.On.Session, Grant: a.Grant,
		AuthTime: a.On.AuthTime, ACR: a.On.ACR, AMR: a.On.AMR,
		Scope: a.Scope, Audience: a.Audience, TTL: a.TTL,
		Asked: a.Claims.UserInfo, For: client, IncludeX5T: client.IncludeX5T,
		Resources: a.Resources, User: user, KeyRotationPolicy: client.KeyRotationPolicy,
		RedirectURI: a.RedirectURI, Nonce: a.Nonce,
	}
	if len(a.Claims.IDToken)+len(a.Claims.UserInfo) > 0 {
		text, _ := json.Marshal(a.Claims) // maps, truths and texts: there is a word for each
		access.Claims = string(text)
	}
	return access
}

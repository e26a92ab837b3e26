package authorize

import (
	"context"
	"slices"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/clientauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/keys"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// Request is an authorization request that passed every check. It is kept as
// JSON in a flow, where it takes at most maxRequest bytes.
type Request struct {
	Client       string              `json:"client_id"`
	ResponseType []string            `json:"response_type"` // parts, sorted
	ReplyTo      ReplyTo             `json:"reply_to"`
	RedirectSent bool                `json:"redirect_sent,omitempty"` // redirect_uri was a parameter, so the token request must repeat it
	Scope        []string            `json:"scope,omitempty"`         // granted: asked for and allowed
	Audience     []string            `json:"audience,omitempty"`
	TTL          time.Duration       `json:"ttl,omitempty"`       // of access tokens
	Resources    []string            `json:"resources,omitempty"` // see token.Granted
	Named        []string            `json:"named,omitempty"`     // the values of resource (RFC 8707)
	Nonce        string              `json:"nonce,omitempty"`
	Prompt       []string            `json:"prompt,omitempty"`
	MaxAge       *int64              `json:"max_age,omitempty"` // seconds
	ACRValues    []string            `json:"acr_values,omitempty"`
	LoginHint    string              `json:"login_hint,omitempty"`
	HintSubject  string              `json:"hint_subject,omitempty"` // of a good id_token_hint, or the sub that claims asks for
	UILocales    []string            `json:"ui_locales,omitempty"`
	Claims       oauth.ClaimsRequest `json:"claims"`
	Challenge    string              `json:"code_challenge,omitempty"`
	Method       string              `json:"code_challenge_method,omitempty"`
	Display      string              `json:"display,omitempty"`
	JKT          string              `json:"dpop_jkt,omitempty"` // of the key that the code is bound to
	// Issuer is the one of the environment that answers, where that is not the one at which the answer is made.
	Issuer string `json:"iss,omitempty"`
}

// At is env at the issuer that answers.
func (r *Request) At(env *store.Environment) *store.Environment {
	if r.Issuer == "" || r.Issuer == env.Issuer || !slices.Contains(env.AllIssuers, r.Issuer) {
		return env
	}
	return env.At(store.Domain{Issuer: r.Issuer})
}

// ReplyTo is where an answer may go: a registered redirect URI of the client,
// and how. Only the redirect_uri check makes one.
type ReplyTo struct {
	URI   string `json:"uri,omitempty"` // "" with pi.flow
	Mode  string `json:"mode"`
	State string `json:"state,omitempty"`
}

// Reader turns requests into Requests. Safe for concurrent use.
type Reader struct {
	Directory store.Directory
	Tickets   store.Tickets
	Scopes    *token.Scopes
	Keys      *keys.Rings            // for id_token_hint
	Clients   *clientauth.KeySources // for request objects
	NewSecret func() secret.Value
	Now       func() time.Time
}

// Failure is a refused request. ReplyTo is nil where the error must not travel:
// then it is a page (or JSON) here.
type Failure struct {
	Err     *oauth.Error
	ReplyTo *ReplyTo
	Client  *store.Client // nil while unknown
}

// Error is that of Err.
func (f *Failure) Error() string { return f.Err.Error() }

// Unwrap gives Err.
func (f *Failure) Unwrap() error { return f.Err }

// Read judges a request of the front channel. Every error is a *Failure; a fault
// of the store is one too, which may travel like the others once it is known where to.
func (r *Reader) Read(ctx context.Context, env *store.Environment, form *web.Form) (*Request, *store.Client, error) {
	req, _, client, err := r.ReadToKeep(ctx, env, form)
	return req, client, err
}

// Parameters are those that a request was made of.
type Parameters struct {
	form   *web.Form
	signed bool // they come out of an object that the client signed
}

// ReadToKeep is Read for an endpoint that may have to hand the request on to another one: see Keep.
func (r *Reader) ReadToKeep(ctx context.Context, env *store.Environment, form *web.Form) (*Request, *Parameters, *store.Client, error) {
	d := &draft{Reader: r, env: env, form: form}
	if err := d.judge(ctx, front); err != nil {
		return nil, nil, nil, &Failure{Err: oauth.From(err), ReplyTo: d.replyTo, Client: d.client}
	}
	return &d.req, &Parameters{d.form, d.signed}, d.client, nil
}

// draft is a request while it is judged. It belongs to one goroutine.
type draft struct {
	*Reader
	env    *store.Environment
	client *store.Client
	// form has the parameters that count: those that were sent, until a pushed
	// reference or a request object takes their place.
	form *web.Form
	// pushed: the client pushed them itself. signed: they come out of an object
	// that it signed.
	pushed, signed bool
	// proved is the thumbprint of the key that was proved as it was pushed; "" for none.
	proved string
	// problem is why the reference or object that was sent is no good. The
	// parameters beside it then serve for nothing but to say so.
	problem error

	req     Request
	replyTo *ReplyTo
}

// judge runs the checks of one entrance.
func (d *draft) judge(ctx context.Context, at entrance) error {
	for i := range checks {
		if checks[i].at&at == 0 {
			continue
		}
		if err := checks[i].run(ctx, d); err != nil {
			return err
		}
	}
	d.req.Client = d.client.ID
	return nil
}

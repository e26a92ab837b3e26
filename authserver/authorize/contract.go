// Package authorize reads authorization requests, judges them, and answers them.
//
// A request comes from the query, a form, a signed object or a pushed reference
// and becomes one Request by one ordered table of checks. Only the check of
// redirect_uri can make a ReplyTo, and only an error holding one is sent there.
// Issue makes what a response type promises, and Response.Write puts it where
// the response mode says.
//
// It leaves who the person is, and whether they agree, to flow. RFC 6749 §4.1,
// §4.2, OIDC Core §3, RFC 7636, RFC 8252, RFC 9101, RFC 9126, RFC 9207. Start
// reading at Reader.Read, then checks.go.
package authorize

import (
	"context"
	"net/http"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/clientauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/keys"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// Request is an authorization request that passed every check. It is kept as
// JSON in a flow.
type Request struct {
	Client       string              `json:"client_id"`
	ResponseType []string            `json:"response_type"` // parts, sorted
	ReplyTo      ReplyTo             `json:"reply_to"`
	RedirectSent bool                `json:"redirect_sent,omitempty"` // redirect_uri was a parameter, so the token request must repeat it
	Scope        []string            `json:"scope,omitempty"`         // granted: asked for and allowed
	Audience     []string            `json:"audience,omitempty"`
	TTL          time.Duration       `json:"ttl,omitempty"` // of access tokens
	Nonce        string              `json:"nonce,omitempty"`
	Prompt       []string            `json:"prompt,omitempty"`
	MaxAge       *int64              `json:"max_age,omitempty"` // seconds
	ACRValues    []string            `json:"acr_values,omitempty"`
	LoginHint    string              `json:"login_hint,omitempty"`
	HintSubject  string              `json:"hint_subject,omitempty"` // of a good id_token_hint
	UILocales    []string            `json:"ui_locales,omitempty"`
	Claims       oauth.ClaimsRequest `json:"claims"`
	Challenge    string              `json:"code_challenge,omitempty"`
	Method       string              `json:"code_challenge_method,omitempty"`
	Display      string              `json:"display,omitempty"`
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

func (f *Failure) Error() string { return f.Err.Error() }
func (f *Failure) Unwrap() error { return f.Err }

// Read judges a request of the front channel. Errors are *Failure, or a fault of the store.
func (r *Reader) Read(ctx context.Context, env *store.Environment, form *web.Form) (*Request, *store.Client, error) {
	panic("contract")
}

// Push judges a request of an authenticated client and keeps it (RFC 9126 §2.1).
// It returns the request_uri and its life. Errors are plain *oauth.Error.
func (r *Reader) Push(ctx context.Context, env *store.Environment, client *store.Client, form *web.Form) (uri string, life time.Duration, err error) {
	panic("contract")
}

// Issuer makes codes and tokens. Safe for concurrent use.
type Issuer struct {
	Codes     *token.Codes
	Tokens    *token.Minter
	IDTokens  *token.IDTokens
	Sessions  *session.Sessions
	NewID     func() string // grant_id
	NewSecret func() secret.Value
	Now       func() time.Time
	// Issued is told of tokens handed out in the front channel.
	Issued func(grant string)
}

// Issue answers req for the person of b.Session: code, access token, ID token,
// session_state, iss. The client joins the session.
func (i *Issuer) Issue(ctx context.Context, env *store.Environment, req *Request, client *store.Client, user *store.User, b *session.Browser) (*Response, error) {
	panic("contract")
}

// Response is the answer to an authorization request, good or bad.
type Response struct {
	ReplyTo ReplyTo
	Params  [][2]string // in order, state and iss included
}

// Refuse is the answer that carries an error. id is the correlation id.
func Refuse(env *store.Environment, to ReplyTo, e *oauth.Error, id string) *Response {
	panic("contract")
}

// Write sends the response in its mode: 302 (303 after a POST) with query or fragment, or the form_post page. It is
// not for pi.flow.
func (r *Response) Write(w http.ResponseWriter, req *http.Request) { panic("contract") }

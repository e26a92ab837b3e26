package authorize

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// reference is what stands in front of the secret of a pushed request (RFC 9126 §2.2).
const reference = "urn:ietf:params:oauth:request_uri:"

// maxReference bounds that secret, in bytes, before it is looked for.
const maxReference = 128

// pushedRequest is a request between its push and its use. It has no
// credentials, and of a request object only what was in it.
type pushedRequest struct {
	Form   string `json:"form"`             // the parameters that count, form-encoded
	Signed bool   `json:"signed,omitempty"` // they come out of a signed object
}

// Push judges a request of an authenticated client and keeps it (RFC 9126 §2.1).
// jkt is the thumbprint of the key that was proved with it, which the code is bound to then; "" for none (RFC 9449 §10.1).
// It returns the request_uri and its life. Errors are *oauth.Error.
func (r *Reader) Push(ctx context.Context, env *store.Environment, client *store.Client, form *web.Form, jkt string) (uri string, life time.Duration, err error) {
	d := &draft{Reader: r, env: env, client: client, form: form, proved: jkt}
	if err := d.judge(ctx, pushed); err != nil {
		return "", 0, oauth.From(err)
	}
	return r.keep(ctx, env, client, d.form, d.signed)
}

// Keep keeps a request that ReadToKeep has judged, for another endpoint of the environment to go on with, and returns
// its request_uri. Errors are *oauth.Error.
func (r *Reader) Keep(ctx context.Context, env *store.Environment, client *store.Client, p *Parameters) (uri string, err error) {
	uri, _, err = r.keep(ctx, env, client, p.form, p.signed)
	return uri, err
}

func (r *Reader) keep(ctx context.Context, env *store.Environment, client *store.Client, form *web.Form, signed bool) (uri string, life time.Duration, err error) {
	data, err := json.Marshal(pushedRequest{Form: relevant(form).Encode(), Signed: signed})
	if err != nil {
		return "", 0, oauth.From(fmt.Errorf("keep pushed request: %w", err))
	}
	if life = client.PARTimeout; life <= 0 {
		life = store.DefaultPARTimeout
	}
	name := r.NewSecret()
	// Up to the next whole second, so that it lives for as long as the client is told.
	ends := r.Now().UTC().Add(life + time.Second - 1).Truncate(time.Second)
	err = r.Tickets.PutTicket(ctx, store.Ticket{
		Environment: env.ID, Kind: store.TicketPAR, Hash: name.Hash(), Client: client.ID, Data: data, ExpiresAt: ends, KeptUntil: ends,
	})
	if err != nil {
		return "", 0, oauth.From(unavailable(fmt.Errorf("keep pushed request: %w", err)))
	}
	return reference + name.Reveal(), life, nil
}

// noReference refuses a reference in what is pushed (RFC 9126 §2.1).
func noReference(_ context.Context, d *draft) error {
	if d.form.Has("request_uri") {
		return oauth.InvalidRequest("A request_uri cannot be pushed")
	}
	return nil
}

// takePushed puts a pushed request in the place of the parameters beside its
// reference, all of which are ignored. Reading it spends it, so that a request is
// answered once (RFC 9126 §7.3); another client's reference stays as it was. No
// address is ever fetched.
func takePushed(ctx context.Context, d *draft) error {
	uri := d.form.Get("request_uri")
	name, known := strings.CutPrefix(uri, reference)
	switch {
	case uri == "":
		return nil
	case d.form.Get("request") != "":
		d.problem = oauth.InvalidRequest("The parameters request and request_uri exclude each other")
		return nil
	case !known:
		d.problem = oauth.AuthorizationError(oauth.CodeRequestURINotSupported, "Only a pushed request can be named by request_uri")
		return nil
	case len(name) > maxReference:
		return badReference()
	}
	hash, now := secret.Of(name).Hash(), d.Now().UTC()
	t, err := d.Tickets.TicketByHash(ctx, d.env.ID, store.TicketPAR, hash, now)
	if err == nil && t.Client != d.client.ID {
		return badReference()
	}
	if err == nil {
		t, err = d.Tickets.TakeTicket(ctx, d.env.ID, store.TicketPAR, hash, now)
	}
	switch {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrSpent):
		return badReference()
	case err != nil:
		return unavailable(fmt.Errorf("take pushed request: %w", err))
	}
	var kept pushedRequest
	if err := json.Unmarshal(t.Data, &kept); err != nil {
		return fmt.Errorf("read pushed request: %w", err)
	}
	if d.form, err = decode(kept.Form); err != nil {
		return fmt.Errorf("read pushed request: %w", err)
	}
	d.pushed, d.signed = true, kept.Signed
	return nil
}

// badReference is the one answer to a reference that is unknown, expired, used,
// or another client's. It is not told to any redirect URI: what the request was
// is not known.
func badReference() error {
	return oauth.AuthorizationError(oauth.CodeInvalidRequestURI, "The request_uri is unknown, expired or used")
}

// requirePushed demands that a client which has to push did.
func requirePushed(_ context.Context, d *draft) error {
	if d.client.PARRequired && !d.pushed {
		return oauth.InvalidRequest("The client must push its authorization requests")
	}
	return nil
}

// decode reads what relevant(…).Encode() wrote.
func decode(encoded string) (*web.Form, error) {
	form := web.NewForm()
	for part := range strings.SplitSeq(encoded, "&") {
		name, value, _ := strings.Cut(part, "=")
		name, err := url.QueryUnescape(name)
		if err != nil {
			return nil, err
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return nil, err
		}
		form.Add(name, value)
	}
	return form, nil
}

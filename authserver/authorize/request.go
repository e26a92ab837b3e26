package authorize

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

const (
	// maxObject is the longest request object, in bytes of its compact form.
	maxObject = 32 << 10
	// skew is what clocks may differ by.
	skew = 30 * time.Second
)

// openRequestObject puts what is in a request object in the place of what is
// beside it (RFC 9101, OIDC Core §6.1). One that is no good is remembered, and
// fails the request as soon as it is known where to say so.
func openRequestObject(ctx context.Context, d *draft) error {
	raw := d.form.Get("request")
	if raw == "" || d.problem != nil {
		return nil
	}
	inside, signed, err := d.readObject(ctx, raw)
	if err == nil {
		var form *web.Form
		if form, err = d.merge(inside); err == nil {
			d.form, d.signed = form, signed
			return nil
		}
	}
	if e, ok := errors.AsType[*oauth.Error](err); ok {
		return e // a fault of ours or of the client's server, not of the object
	}
	d.problem = invalidObject(err)
	return nil
}

// readableRequest fails a request whose object or reference was no good.
func readableRequest(_ context.Context, d *draft) error { return d.problem }

// requireSigned demands a signed object of a client that is registered for it.
func requireSigned(_ context.Context, d *draft) error {
	if d.client.SignedRequestObject && !d.signed {
		return oauth.InvalidRequest("The client must send a signed request object")
	}
	return nil
}

func invalidObject(cause error) *oauth.Error {
	return oauth.AuthorizationError(oauth.CodeInvalidRequestObject, "The request object is not acceptable").WithCause(cause)
}

// readObject reads a request object and judges everything about it but the
// parameters in it. Errors are *oauth.Error for faults that are not the object's.
func (d *draft) readObject(ctx context.Context, raw string) (inside *jose.Claims, signed bool, err error) {
	lim := jose.Limits{Size: maxObject}
	if d.client.UnsignedRequestObject && !d.client.SignedRequestObject && d.client.RequestObjectAlgorithm == "" && !d.env.Strict {
		if u, err := jose.ParseUnsigned(raw, lim); err == nil {
			inside, err = d.checkObject(&u.Header, u.Claims)
			return inside, false, err
		}
	}
	jws, err := jose.Parse(raw, lim)
	if err != nil {
		return nil, false, err
	}
	if err := d.verifyObject(ctx, jws); err != nil {
		return nil, false, err
	}
	inside, err = d.checkObject(&jws.Header, jws.Claims)
	return inside, true, err
}

// verifyObject verifies a signature with the client's own secrets or keys: which
// of them, the algorithm says, and a key of one kind fits no algorithm of the other.
func (d *draft) verifyObject(ctx context.Context, jws *jose.JWS) error {
	if alg := d.client.RequestObjectAlgorithm; alg != "" && jws.Header.Algorithm != alg {
		return errors.New("its alg is not the one that the client has registered")
	}
	if !jose.Symmetric(jws.Header.Algorithm) {
		key, err := d.Clients.Find(ctx, d.client, &jws.Header)
		if err != nil {
			return unavailable(fmt.Errorf("key set of client %q: %w", d.client.ID, err))
		}
		return jws.Verify(key)
	}
	now := d.Now()
	err := errors.New("the client has no secret")
	for _, s := range d.client.Secrets {
		if !s.Expires.IsZero() && !now.Before(s.Expires) {
			continue
		}
		var key *jose.Key
		if key, err = jose.NewSecretKey("", s.Value); err != nil {
			continue
		}
		if err = jws.Verify(key); err == nil {
			return nil
		}
	}
	return err
}

// checkObject judges type, issuer, audience and times (RFC 9101 §4, §10.8; OIDC
// Core §6.1). An object without iss or aud could have been made for another
// server or another purpose.
func (d *draft) checkObject(h *jose.Header, read func() (*jose.Claims, error)) (*jose.Claims, error) {
	if h.Type != "" && !h.TypeIs("JWT") && !h.TypeIs("oauth-authz-req+jwt") {
		return nil, errors.New("its typ is that of something else")
	}
	c, err := read()
	if err != nil {
		return nil, err
	}
	now := d.Now()
	switch {
	case c.Issuer != d.client.ID:
		return nil, errors.New("its iss is not the client")
	case c.Subject == d.client.ID:
		return nil, errors.New("its sub is the client, as in a client assertion")
	case !slices.Contains(c.Audience, d.env.Issuer):
		return nil, errors.New("its aud is not this issuer")
	case !c.Expiry.IsZero() && !now.Before(c.Expiry.Add(skew)):
		return nil, errors.New("it has expired")
	case c.NotBefore.After(now.Add(skew)):
		return nil, errors.New("its nbf is in the future")
	case c.IssuedAt.After(now.Add(skew)):
		return nil, errors.New("its iat is in the future")
	case c.Has("request") || c.Has("request_uri"):
		return nil, errors.New("there is a request in the request")
	case c.Has("client_id") && c.ClientID != d.client.ID:
		return nil, errors.New("its client_id is another one")
	}
	return c, nil
}

// merge makes the parameters that count. What is inside wins; what is only
// outside fills the gaps (OIDC Core §6.1), unless the client or the environment
// stands on signed requests: then nothing outside counts (RFC 9101 §6.3).
func (d *draft) merge(inside *jose.Claims) (*web.Form, error) {
	alone := d.client.SignedRequestObject || d.env.Strict
	form := web.NewForm()
	for _, p := range parameters {
		if !inside.Has(p.name) {
			if !alone {
				copyParameter(form, d.form, p.name)
			}
			continue
		}
		if p.name == paramResource {
			if !objectResources(form, inside) {
				return nil, fmt.Errorf("its %s is not of the right type", p.name)
			}
			continue
		}
		v, ok := parameterText(inside, p.name)
		if !ok {
			return nil, fmt.Errorf("its %s is not of the right type", p.name)
		}
		form.Set(p.name, v)
	}
	// One whose response_type differs from what the browser carried was not made
	// for this request (OIDC Core §6.1).
	if sent := d.form.Get("response_type"); sent != "" && !sameMembers(sent, form.Get("response_type")) {
		return nil, errors.New("its response_type is another one")
	}
	return form, nil
}

// parameterText is a parameter as a form would have it: a string, max_age as a
// number too, claims as the object itself.
func parameterText(c *jose.Claims, name string) (string, bool) {
	if s, ok := c.Text(name); ok {
		return s, true
	}
	raw, _ := c.Raw(name)
	v, _ := c.Value(name)
	switch v.(type) {
	case json.Number:
		return string(raw), name == "max_age"
	case map[string]any:
		return string(raw), name == "claims"
	}
	return "", false
}

func sameMembers(a, b string) bool {
	x, y := strings.Fields(a), strings.Fields(b)
	slices.Sort(x)
	slices.Sort(y)
	return slices.Equal(x, y)
}

package clientauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/mtls"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Authenticator authenticates the callers of one server. Safe for concurrent use.
type Authenticator struct {
	Directory store.Directory
	Spent     store.Spent
	Keys      *KeySources
	Now       func() time.Time
	// UsedPrevious is told that an application or resource has authenticated with a secret that another one
	// has replaced: whoever wants to know when the last one has changed over. It must not wait for anything. nil: nobody does.
	UsedPrevious func(environment, id string)
	// Certificate is what a client presented, nil for none; an error is one that cannot be read. nil: nobody presents any.
	Certificate func(*http.Request) (*mtls.Certificate, error)

	authorities sync.Map // environment's ID → *authorities
}

// Caller is who authenticated: exactly one field is set.
type Caller struct {
	Client   *store.Client
	Resource *store.Resource
}

// Public reports whether nothing was proved: anybody can say that they are this caller.
func (c Caller) Public() bool {
	if c.Resource != nil {
		return c.Resource.IntrospectionAuth == oauth.AuthNone
	}
	return c.Client == nil || c.Client.AuthMethod == oauth.AuthNone
}

// Client authenticates an application of env. endpoint is the last part of the
// called endpoint's URL ("token"). Errors are invalid_request for what cannot be
// understood (two methods at once), invalid_client for the rest, and
// temporarily_unavailable when directory, store or the client's key set cannot
// be had.
func (a *Authenticator) Client(r *http.Request, form *web.Form, env *store.Environment, endpoint string) (*store.Client, error) {
	caller, err := a.authenticate(r, form, env, endpoint, false)
	return caller.Client, err
}

// ClientOrResource is Client for the introspection endpoint, where a resource
// may present its own id and secret.
func (a *Authenticator) ClientOrResource(r *http.Request, form *web.Form, env *store.Environment, endpoint string) (Caller, error) {
	return a.authenticate(r, form, env, endpoint, true)
}

func (a *Authenticator) authenticate(r *http.Request, form *web.Form, env *store.Environment, endpoint string, resources bool) (Caller, error) {
	p, err := read(r, form)
	if err != nil {
		return Caller{}, err
	}
	reg, err := a.lookup(r.Context(), env, p.id, resources)
	if err != nil {
		return Caller{}, err
	}
	previous := false
	switch p.method {
	case oauth.AuthClientSecretBasic, oauth.AuthClientSecretPost:
		previous, err = checkSecret(p, reg, a.Now())
	case oauth.AuthNone:
		switch reg.method { // what a client certificate proves is not in the form
		case oauth.AuthTLSClient:
			err = a.checkTLSClient(r, env, reg)
		case oauth.AuthSelfSignedTLS:
			err = a.checkSelfSignedTLS(r, reg)
		default:
			err = checkNone(reg)
		}
	default:
		previous, err = a.checkAssertion(r.Context(), p, reg, env, endpoint)
	}
	if err != nil {
		if _, ok := errors.AsType[*oauth.Error](err); ok {
			return Caller{}, err
		}
		return Caller{}, p.denied(err)
	}
	if previous && a.UsedPrevious != nil {
		a.UsedPrevious(env.ID, p.id)
	}
	return Caller{Client: reg.client, Resource: reg.resource}, nil
}

// registration is what is known about the caller's id. For an unknown id it is
// stranger, with which every method fails after the same work.
type registration struct {
	method   string
	secrets  []store.ClientSecret
	client   *store.Client
	resource *store.Resource
	problem  string // why it cannot authenticate whatever it presents; "" if it can
}

var stranger = registration{problem: "it is unknown"}

func (a *Authenticator) lookup(ctx context.Context, env *store.Environment, id string, resources bool) (registration, error) {
	c, err := a.Directory.ClientByID(ctx, env.ID, id)
	switch {
	case err == nil:
		reg := registration{method: c.AuthMethod, secrets: c.Secrets, client: c}
		if !c.Enabled {
			reg.problem = "it is disabled"
		}
		return reg, nil
	case !errors.Is(err, store.ErrNotFound):
		return registration{}, unavailable(fmt.Errorf("find client: %w", err))
	case !resources:
		return stranger, nil
	}
	res, err := a.Directory.ResourceByID(ctx, env.ID, id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return stranger, nil
	case err != nil:
		return registration{}, unavailable(fmt.Errorf("find resource: %w", err))
	}
	reg := registration{method: res.IntrospectionAuth, resource: res}
	if len(res.Secret) > 0 {
		reg.secrets = append([]store.ClientSecret{{Value: res.Secret}}, res.PreviousSecrets...)
	} else if res.IntrospectionAuth != oauth.AuthNone {
		reg.problem = "it has no secret"
	}
	return reg, nil
}

// usable says why the registration cannot authenticate with method; "" if it can.
func (reg *registration) usable(method string) string {
	switch {
	case reg.problem != "":
		return reg.problem
	case reg.method != method:
		return "it presented another method than its own"
	}
	return ""
}

// refuse makes the error of a registration that failed, for the log. It costs
// the same for every reason and for every caller. What an unknown caller sent as
// its id is not repeated: it may be a misplaced secret.
func (reg *registration) refuse(why string) error {
	kind, id := "client", "?"
	switch {
	case reg.client != nil:
		id = reg.client.ID
	case reg.resource != nil:
		kind, id = "resource", reg.resource.ID
	}
	return fmt.Errorf("%s %q: %s", kind, id, why)
}

// decoy stands in where a registration has no secret to compare with.
var decoy = []byte(secret.New().Reveal())

// checkSecret compares a presented secret; previous tells that it is not the
// current one. It always makes at least two comparisons, so that neither an
// unknown client nor one with a previous secret shows in the time.
func checkSecret(p *presented, reg registration, now time.Time) (previous bool, err error) {
	matched := false
	given := []byte(p.secret)
	for i := range max(2, len(reg.secrets)) {
		value, valid := decoy, false
		if i < len(reg.secrets) {
			s := reg.secrets[i]
			value, valid = s.Value, s.Expires.IsZero() || now.Before(s.Expires)
		}
		if secret.Equal(value, given) && valid {
			previous = !matched && i > 0
			matched = true
		}
	}
	why := reg.usable(p.method)
	if why == "" && !matched {
		why = "it presented a wrong or expired secret"
	}
	if why != "" {
		return false, reg.refuse(why)
	}
	return previous, nil
}

func unavailable(cause error) error {
	return oauth.TemporarilyUnavailable(cause)
}

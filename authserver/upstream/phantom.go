package upstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/fetch"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

// phantomLife is how long a phantom token serves at most, whatever the client's.
const phantomLife = 10 * time.Minute

// typeJWT is the media type of a phantom token as an introspection answer.
const typeJWT = "application/jwt"

// NewPhantom gives a signed JWT with the claims of the client's token, from the issuer that vouches for it: in this process
// where it is here, or else by asking the introspection endpoint for application/jwt. A token that is a JWT already is its own
// phantom. It contacts nobody yet.
//
// A token that is bound to a key or a certificate has none, and is refused with 403: the upstream could not check the binding, and without it
// the phantom would be worth more than the token, at this gate first of all.
func NewPhantom(c Config) (Source, error) {
	c = c.withDefaults()
	var s *server
	if c.Issuer != "" || c.IntrospectionEndpoint != "" {
		var err error
		if s, err = newServer(KindPhantom, "introspection_endpoint", c.IntrospectionEndpoint, c); err != nil {
			return nil, err
		}
	}
	p := newPerToken(&c)
	ph := &phantom{perToken: p, server: s, config: &c}
	p.ask = ph.obtain
	if s != nil {
		p.done = s.close
	}
	return ph, nil
}

type phantom struct {
	*perToken
	server *server // nil where nobody elsewhere is asked
	config *Config
	warned seldom
}

// Token implements Source.
func (p *phantom) Token(ctx context.Context, raw string, t *resourceserver.Token) (string, error) {
	switch {
	case t == nil:
		return "", nil
	case t.Claims.Has("cnf"), t.Confirmation() != resourceserver.Confirmation{}: // by the token, or by what its issuer says of it
		p.observe(OutcomeRefused, 0)
		p.warn(errBound)
		return "", notPermitted(errBound)
	case jose.LooksLikeJWT(raw):
		return raw, nil
	}
	return p.perToken.Token(ctx, raw, t)
}

var (
	errElsewhere = errors.New("the token's issuer is elsewhere, and its introspection is not configured")
	errBound     = errors.New("the token is bound to a key or a certificate (cnf): it has no phantom")
)

func (p *phantom) observe(outcome string, d time.Duration) {
	if p.config.Observer != nil {
		p.config.Observer.Obtained(KindPhantom, outcome, d)
	}
}

func (p *phantom) warn(err error) {
	if p.warned.now() {
		p.config.Log.Warn("a token for the upstream cannot be obtained", "kind", KindPhantom, "error", err)
	}
}

// obtain asks the issuer, wherever it is.
func (p *phantom) obtain(ctx context.Context, raw string, t *resourceserver.Token) (obtained, *Error) {
	asked, start := p.config.Now(), time.Now()
	token, here, err := t.Phantom(ctx)
	if !here {
		if p.server == nil {
			p.observe(OutcomeError, 0)
			p.warn(errElsewhere)
			return obtained{}, unavailable(0, errElsewhere)
		}
		form := url.Values{"token": {raw}, "token_type_hint": {"access_token"}}
		return p.server.post(typeJWT, form, func(a answer) (obtained, fetch.Health, error) { return p.judge(a, t) })
	}
	var got obtained
	if err == nil {
		got, err = readPhantom(token, t, asked)
	}
	if err != nil {
		p.observe(OutcomeError, time.Since(start))
		p.warn(err)
		return obtained{}, unavailable(0, err)
	}
	p.observe(OutcomeOK, time.Since(start))
	return got, nil
}

// judge reads the answer of an introspection endpoint that was asked for a JWT. No content means that the token is not active.
func (p *phantom) judge(a answer, t *resourceserver.Token) (obtained, fetch.Health, error) {
	switch a.status {
	case http.StatusOK:
	case http.StatusNoContent:
		return obtained{refused: notAccepted(errors.New("the issuer says that the token is not active"))}, fetch.Up(), nil
	default:
		health, err := p.server.failed(a)
		return obtained{}, health, err
	}
	got, err := readPhantom(string(bytes.TrimSpace(a.body)), t, a.asked)
	if err != nil {
		return obtained{}, fetch.Unknown(), fmt.Errorf("phantom token: %w", err)
	}
	return got, fetch.Up(), nil
}

// readPhantom judges a phantom token as far as the gate answers for it: that it is a JWT that is good now, of the same issuer and about the
// same as the client's token. Its signature is for the upstream to verify: it came from the issuer itself.
func readPhantom(token string, t *resourceserver.Token, asked time.Time) (obtained, error) {
	if err := checkToken(token); err != nil {
		return obtained{}, err
	}
	jws, err := jose.Parse(token, jose.Limits{Size: maxToken})
	if err != nil {
		return obtained{}, err
	}
	claims, err := jws.Claims()
	if err != nil {
		return obtained{}, err
	}
	life := claims.Expiry.Sub(asked)
	switch {
	case claims.Issuer != t.Issuer():
		return obtained{}, errors.New("it is of another issuer")
	case claims.Subject != t.Claims.Subject:
		return obtained{}, errors.New("it is about somebody else")
	case claims.Expiry.IsZero() || life <= 0:
		return obtained{}, errors.New("it has no end, or that is past")
	}
	life = min(life-margin(life), phantomLife)
	return obtained{token: token, life: life, end: asked.Add(life)}, nil
}

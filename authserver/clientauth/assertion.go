package clientauth

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const (
	// maxAhead is how far away an assertion's exp may be.
	maxAhead = time.Hour
	// skew is what clocks may differ by.
	skew = 30 * time.Second
)

// readAssertion reads client_secret_jwt or private_key_jwt (RFC 7523 §2.2);
// which of them it is, the algorithm says.
func (p *presented) readAssertion(assertion, kind string) error {
	switch {
	case assertion == "":
		return oauth.InvalidRequest("The parameter client_assertion is missing")
	case kind == "":
		return oauth.InvalidRequest("The parameter client_assertion_type is missing")
	case kind != oauth.AssertionTypeJWTBearer:
		return errors.New("unknown client_assertion_type")
	}
	jws, err := jose.Parse(assertion, jose.Limits{})
	if err != nil {
		return fmt.Errorf("client assertion: %w", err)
	}
	if h := &jws.Header; h.Type != "" && !h.TypeIs("JWT") && !h.TypeIs("client-authentication+jwt") {
		return errors.New("client assertion: its typ is that of something else")
	}
	claims, err := jws.Claims()
	if err != nil {
		return fmt.Errorf("client assertion: %w", err)
	}
	if claims.Subject == "" || claims.Subject != claims.Issuer {
		return errors.New("client assertion: iss and sub are not the client")
	}
	p.jws, p.claims, p.raw, p.id = jws, claims, assertion, claims.Subject
	p.method = oauth.AuthPrivateKeyJWT
	if jose.Symmetric(jws.Header.Algorithm) {
		p.method = oauth.AuthClientSecretJWT
	}
	return nil
}

// checkAssertion verifies the signature, then the claims, then spends it. previous
// tells that it was signed with a secret that is not the current one.
func (a *Authenticator) checkAssertion(ctx context.Context, p *presented, reg registration, env *store.Environment, endpoint string) (previous bool, err error) {
	now := a.Now()
	if p.method == oauth.AuthClientSecretJWT {
		previous, err = verifySecretJWT(p, reg, now)
	} else {
		err = a.verifyPrivateKeyJWT(ctx, p, reg)
	}
	if err != nil {
		return false, err
	}
	if err := checkAssertionClaims(p.claims, env, endpoint, now); err != nil {
		return false, reg.refuse("its assertion: " + err.Error())
	}
	if env.Compat.AssertionReplay {
		return previous, nil
	}
	err = a.Spent.Spend(ctx, env.ID, identity(p), p.claims.Expiry.Add(2*skew).UTC(), now.UTC())
	switch {
	case errors.Is(err, store.ErrSpent):
		return false, reg.refuse("its assertion was used before")
	case err != nil:
		return false, unavailable(fmt.Errorf("spend client assertion: %w", err))
	}
	return previous, nil
}

// checkAssertionClaims judges times and audience (RFC 7523 §3). iss and sub have
// been compared, and a far exp would have to be remembered for too long.
func checkAssertionClaims(c *jose.Claims, env *store.Environment, endpoint string, now time.Time) error {
	switch {
	case c.Expiry.IsZero():
		return errors.New("no exp")
	case !now.Before(c.Expiry.Add(skew)):
		return errors.New("expired")
	case c.Expiry.After(now.Add(maxAhead + skew)):
		return errors.New("exp is more than an hour ahead")
	case c.NotBefore.After(now.Add(skew)):
		return errors.New("nbf is in the future")
	case c.IssuedAt.After(now.Add(skew)):
		return errors.New("iat is in the future")
	case !audienceIs(c, env, endpoint):
		return errors.New("aud is not this issuer")
	}
	return nil
}

// audienceIs reports whether the assertion is for this server alone. By default
// that is the issuer as a single string: an endpoint's URL, or one of several
// audiences, can be made to mean another server (draft-ietf-oauth-rfc7523bis).
// Where endpoints are accepted, so are several, as long as all of them are ours:
// libraries send the issuer and the token endpoint in one list.
func audienceIs(c *jose.Claims, env *store.Environment, endpoint string) bool {
	if env.Compat.AssertionAudienceEndpoint {
		ours := []string{env.Issuer, env.EndpointURL("token"), env.EndpointURL(endpoint)}
		foreign := func(aud string) bool { return !slices.Contains(ours, aud) }
		return len(c.Audience) > 0 && !slices.ContainsFunc(c.Audience, foreign)
	}
	raw, ok := c.Raw("aud")
	var single string
	return ok && json.Unmarshal(raw, &single) == nil && single == env.Issuer
}

// identity is what must not come twice: the client's jti, or without one all that
// was signed. The signature is left out, because some algorithms let anyone make
// a second one of it.
func identity(p *presented) store.Hash {
	what, id := "jti", p.claims.ID
	if id == "" {
		what, id = "jws", p.raw[:strings.LastIndexByte(p.raw, '.')]
	}
	return sha256.Sum256([]byte("client assertion\x00" + what + "\x00" + p.id + "\x00" + id))
}

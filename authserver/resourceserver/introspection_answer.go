package resourceserver

import (
	"errors"
	"strings"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

// maxAnswer bounds an introspection answer, in bytes.
const maxAnswer = 64 << 10

// answer is one introspection answer (RFC 7662 §2.2).
type answer struct {
	active bool
	claims *jose.Claims // of an active token
}

// parseAnswer reads an introspection answer as strictly as a token: one JSON object, no
// repeated member, registered members of their types, active a boolean. What is not a
// valid answer says nothing about the token.
func parseAnswer(body []byte) (answer, error) {
	claims, err := jose.ParseClaims(body, jose.Limits{Size: maxAnswer})
	if err != nil {
		return answer{}, err
	}
	active, ok := claims.Raw("active")
	if !ok {
		return answer{}, errors.New("the answer has no member active")
	}
	switch string(active) {
	case "true":
		return answer{active: true, claims: claims}, nil
	case "false":
		return answer{}, nil
	}
	return answer{}, errors.New("active is not a boolean")
}

// checkAnswer judges what the issuer said about an active token. Members that a
// rule reads must be there: absent is never "matches". For a token whose signature and claims
// were verified already, the answer need only not contradict them. bound is what the token is bound to by either: the answer, or the token, which says says.
func (is *issuer) checkAnswer(c *jose.Claims, jwt *entry, says Confirmation, now time.Time) (bound Confirmation, why Reason) {
	if c.Has("iss") && c.Issuer != is.config.Issuer {
		return bound, BadClaims
	}
	bound, ok := readConfirmation(c)
	if ok {
		bound, ok = bound.and(says)
	}
	if !ok {
		return bound, BadClaims
	}
	if c.Has("token_type") {
		s, _ := c.Text("token_type")
		if !accessTokenType(s, bound) {
			return bound, BadType
		}
	}
	if says, isAccess := declaredKind(c); says && !isAccess {
		return bound, BadType
	}
	if why := is.checkTimes(c, now); why != Allowed {
		return bound, why
	}
	if jwt == nil || c.Has("aud") {
		if why := is.checkAudience(c); why != Allowed {
			return bound, why
		}
	}
	if jwt != nil {
		return bound, Allowed
	}
	if why := is.checkLifetime(c); why != Allowed {
		return bound, why
	}
	return bound, is.checkIdentity(c)
}

// accessTokenType judges token_type. RFC 6749 §7.1 names the type; some name the token instead. One that is bound to a key by its type must say
// to which.
func accessTokenType(s string, bound Confirmation) bool {
	return strings.EqualFold(s, nameBearer) || s == "access_token" || strings.EqualFold(s, nameDPoP) && bound.Key != ""
}

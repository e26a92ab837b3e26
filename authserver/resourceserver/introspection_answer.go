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
// were verified already, the answer need only not contradict them.
func (is *issuer) checkAnswer(c *jose.Claims, verified bool, now time.Time) Reason {
	if c.Has("iss") && c.Issuer != is.config.Issuer {
		return BadClaims
	}
	if c.Has("token_type") {
		// RFC 6749 §7.1 names the type; some name the token instead. A type that is bound to a
		// key (DPoP) proves nothing when presented as a bearer token.
		s, _ := c.Text("token_type")
		if !strings.EqualFold(s, "Bearer") && s != "access_token" {
			return BadType
		}
	}
	if says, isAccess := declaredKind(c); says && !isAccess {
		return BadType
	}
	if why := is.checkTimes(c, now); why != Allowed {
		return why
	}
	if !verified || c.Has("aud") {
		if why := is.checkAudience(c); why != Allowed {
			return why
		}
	}
	if verified {
		if c.Has("cnf") {
			return BadClaims
		}
		return Allowed
	}
	if why := is.checkLifetime(c); why != Allowed {
		return why
	}
	return is.checkIdentity(c)
}

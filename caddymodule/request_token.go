package caddymodule

import (
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

// tokenVar is the request variable that holds the verified token.
const tokenVar = "gatehouse.token"

// carried is a token among the request's variables. It prints as nothing much,
// since {http.vars.*} would print it.
type carried struct{ *resourceserver.Token }

func (carried) String() string { return "[token]" }

// Token gives the verified token of a request that bearer_auth has let through,
// for other handlers. It is shared: read only. There is none for a request that passed without.
func Token(r *http.Request) (*resourceserver.Token, bool) {
	c, _ := caddyhttp.GetVar(r.Context(), tokenVar).(carried)
	return c.Token, c.Token != nil
}

// remember makes token the one of this request: for Token, and for placeholders,
// which are computed when somebody asks for one. A nil token is nobody's: placeholders are empty then, as those of absent claims are.
func remember(r *http.Request, token *resourceserver.Token) {
	vars, ok := r.Context().Value(caddyhttp.VarsCtxKey).(map[string]any)
	if !ok {
		return
	}
	_, again := vars[tokenVar]
	vars[tokenVar] = carried{token}
	repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok {
		return
	}
	// A user whom another handler has authenticated must not be mixed with this one.
	repl.DeleteByPrefix(userPrefix)
	if !again {
		repl.Map(func(key string) (any, bool) {
			name, ok := strings.CutPrefix(key, userPrefix)
			if !ok {
				return nil, false
			}
			c, _ := vars[tokenVar].(carried)
			if c.Token == nil {
				return "", true
			}
			return placeholderText(c.Claims, name), true
		})
	}
}

// forget makes a request one without a token, as far as this handler has a say: what an outer bearer_auth has verified stays.
func forget(r *http.Request) {
	if _, verified := Token(r); !verified {
		remember(r, nil)
	}
}

// userPrefix starts the placeholders of the authenticated user.
const userPrefix = "http.auth.user."

// credentials are headers of clients. They are none in trailers (RFC 9110 §6.5.1): nobody has verified them there, and an upstream that joins trailers
// and headers would have them beside, or in place of, the token that was.
var credentials = resourceserver.NewHeaderStripper("Authorization", "Dpop")

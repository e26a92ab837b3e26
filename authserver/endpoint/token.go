package endpoint

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/clientauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/grant"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Token is the token endpoint (RFC 6749 §3.2).
type Token struct {
	Clients *clientauth.Authenticator
	Grants  []grant.Grant
	Issued  func(grant string)
	// Possession judges what clients prove to possess, which their tokens are bound to.
	Possession *Possession
}

// Serve answers one token request.
func (e *Token) Serve(w http.ResponseWriter, r *http.Request, env *store.Environment) error {
	// parse
	form, err := web.ReadForm(r)
	if err != nil {
		return err
	}

	// authenticate the client
	client, err := e.Clients.Client(r, form, env, "token")
	if err != nil {
		return err
	}

	// validate
	name, err := form.Require("grant_type")
	if err != nil {
		return err
	}
	i := slices.IndexFunc(e.Grants, func(g grant.Grant) bool { return g.Type() == name })
	if i < 0 {
		return oauth.UnsupportedGrantType("The grant type is not supported")
	}
	if !slices.Contains(client.GrantTypes, name) {
		return oauth.UnauthorizedClient("The grant type is not enabled for this client")
	}

	proved, err := e.Possession.Client(w, r, env, client, "token")
	if err != nil {
		return err
	}

	// act
	response, err := e.Grants[i].Token(r.Context(), grant.Request{Environment: env, Client: client, Form: form, Proved: proved})
	if err != nil {
		return err
	}
	e.Issued(e.Grants[i].Name())

	// respond
	web.WriteJSON(w, http.StatusOK, tokenBody(response))
	return nil
}

// tokenBody encodes RFC 6749 §5.1 and OIDC Core §3.1.3.3. No value in it ever
// needs escaping: a token is base64url and dots, scopes have no quotes.
func tokenBody(g *grant.Response) []byte {
	b := make([]byte, 0, len(g.Access.Raw)+len(g.IDToken)+len(g.RefreshToken)+256)
	b = append(b, `{"access_token":"`...)
	b = append(b, g.Access.Raw...)
	b = append(append(b, `","token_type":"`...), g.Bound.Type()...)
	b = append(b, `","expires_in":`...)
	b = strconv.AppendInt(b, int64(g.Access.TTL/time.Second), 10)
	if len(g.Scope) > 0 {
		b = append(b, `,"scope":"`...)
		b = append(b, strings.Join(g.Scope, " ")...)
		b = append(b, '"')
	}
	for _, token := range [...]struct{ name, raw string }{
		{"id_token", g.IDToken}, {"refresh_token", g.RefreshToken}, {"issued_token_type", g.IssuedType},
	} {
		if token.raw != "" {
			b = append(append(append(b, `,"`...), token.name...), `":"`...)
			b = append(append(b, token.raw...), '"')
		}
	}
	return append(b, '}')
}

package endpoint

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/grant"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// UserInfo is the UserInfo endpoint (OIDC Core §5.3).
type UserInfo struct {
	Directory store.Directory
	Tokens    Verifier
	IDTokens  *token.IDTokens
	Users     grant.Users
	Sessions  grant.Sessions
	// Possession judges tokens that are bound to a key or certificate.
	Possession *Possession
}

// Serve answers with what the token's scopes, and the claims parameter of its
// authorization request, give of the person. The token comes in the header, or
// in the body of a form, and never in the query (RFC 6750 §2). For clients that
// want it so the answer is a signed JWT (OIDC Core §5.3.2).
func (e *UserInfo) Serve(w http.ResponseWriter, r *http.Request, env *store.Environment) error {
	// parse
	as, err := presented(r)
	if err != nil {
		return err
	}

	// authenticate
	if as.Token == "" {
		return as.denied(http.StatusUnauthorized, userInfoRealm, "", "", "An access token is required")
	}
	active, err := e.Tokens.Verify(r.Context(), env, as.Token)
	switch {
	case errors.Is(err, token.ErrInactive):
		return as.invalid(userInfoRealm, err)
	case err != nil:
		return err
	}
	if err := e.Possession.Holder(w, r, env, "userinfo", userInfoRealm, as, active); err != nil {
		return err
	}

	// validate
	if active.Person == nil || !slices.Contains(active.Person.Scope, oauth.ScopeOpenID) {
		return as.denied(http.StatusForbidden, userInfoRealm, oauth.CodeInsufficientScope, oauth.ScopeOpenID, "The token has no scope for this")
	}
	client, user, err := e.about(r.Context(), env, as, active)
	if err != nil {
		return err
	}

	o, err := e.Directory.OpenID(r.Context(), env.ID)
	if err != nil {
		return oauth.CannotTell("find the resource of OpenID Connect", err)
	}

	// act
	kind, body := "application/json", []byte(nil)
	if client.UserInfoSigned {
		kind = "application/jwt"
		signed, err := e.IDTokens.UserInfo(r.Context(), env, o, client, user, active.Person)
		if err != nil {
			return err
		}
		body = []byte(signed)
	} else {
		body = token.UserInfo(o, client, user, active.Person)
	}

	// respond
	header := w.Header()
	header.Set("Content-Type", kind)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(body) // a client that went away is nobody's failure
	return nil
}

// about finds client and person of a token.
func (e *UserInfo) about(ctx context.Context, env *store.Environment, as Presented, active *token.Active) (*store.Client, *store.User, error) {
	client, user, absent, err := grant.Behind(ctx, env, e.Directory, e.Users, e.Sessions, active)
	switch {
	case err != nil:
		return nil, nil, err
	case client == nil:
		return nil, nil, as.invalid(userInfoRealm, errors.New(absent))
	case token.SubjectFor(client, user) == "":
		return nil, nil, as.invalid(userInfoRealm, errors.New("the user has no sub for the application any more"))
	}
	return client, user, nil
}

// presented takes the access token out of a request: from the header, or from the
// body of a POSTed form (RFC 6750 §2.1, §2.2). Two tokens
// are invalid_request, and so is one in the query, which is in somebody's log by
// now (RFC 9700 §4.3.2).
func presented(r *http.Request) (Presented, error) {
	query, _ := url.ParseQuery(r.URL.RawQuery) // what cannot be read is no token
	for name := range query {
		if strings.EqualFold(name, "access_token") {
			return Presented{}, Presented{}.misplaced(userInfoRealm, "Access tokens are not accepted in the query string")
		}
	}
	p, err := FromHeader(r, userInfoRealm)
	if err != nil {
		return Presented{}, err
	}
	if r.Method != http.MethodPost || web.MediaType(r) != "application/x-www-form-urlencoded" {
		return p, nil
	}
	form, err := web.ReadForm(r)
	if err != nil {
		return Presented{}, err
	}
	body := form.Get("access_token")
	if body != "" && p.Token != "" {
		return Presented{}, p.misplaced(userInfoRealm, "The access token was sent in more than one way")
	}
	p.Token += body
	return p, nil
}

// userInfoRealm is the realm of its challenges.
const userInfoRealm = "userinfo"

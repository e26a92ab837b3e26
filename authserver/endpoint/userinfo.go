package endpoint

import (
	"cmp"
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
}

// Serve answers with what the token's scopes, and the claims parameter of its
// authorization request, give of the person. The token comes in the header, or
// in the body of a form, and never in the query (RFC 6750 §2). For clients that
// want it so the answer is a signed JWT (OIDC Core §5.3.2).
func (e *UserInfo) Serve(w http.ResponseWriter, r *http.Request, env *store.Environment) error {
	// parse
	raw, err := bearer(r)
	if err != nil {
		return err
	}

	// authenticate
	if raw == "" {
		return denied(http.StatusUnauthorized, "", "", "An access token is required")
	}
	active, err := e.Tokens.Verify(r.Context(), env, raw)
	switch {
	case errors.Is(err, token.ErrInactive):
		return invalidToken(err)
	case err != nil:
		return err
	}

	// validate
	if active.Person == nil || !slices.Contains(active.Person.Scope, oauth.ScopeOpenID) {
		return denied(http.StatusForbidden, oauth.CodeInsufficientScope, oauth.ScopeOpenID, "The token has no scope for this")
	}
	client, user, err := e.about(r.Context(), env, active)
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
func (e *UserInfo) about(ctx context.Context, env *store.Environment, active *token.Active) (*store.Client, *store.User, error) {
	client, user, absent, err := grant.Behind(ctx, env, e.Directory, e.Users, e.Sessions, active)
	switch {
	case err != nil:
		return nil, nil, err
	case client == nil:
		return nil, nil, invalidToken(errors.New(absent))
	case token.SubjectFor(client, user) == "":
		return nil, nil, invalidToken(errors.New("the user has no sub for the application any more"))
	}
	return client, user, nil
}

// bearer takes the access token out of a request: from the header, or from the
// body of a POSTed form (RFC 6750 §2.1, §2.2). "" where there is none. Two tokens
// are invalid_request, and so is one in the query, which is in somebody's log by
// now (RFC 9700 §4.3.2).
func bearer(r *http.Request) (string, error) {
	query, _ := url.ParseQuery(r.URL.RawQuery) // what cannot be read is no token
	for name := range query {
		if strings.EqualFold(name, "access_token") {
			return "", misplaced("Access tokens are not accepted in the query string")
		}
	}
	raw, err := HeaderToken(r)
	if err != nil {
		return "", err
	}
	if r.Method != http.MethodPost || web.MediaType(r) != "application/x-www-form-urlencoded" {
		return raw, nil
	}
	form, err := web.ReadForm(r)
	if err != nil {
		return "", err
	}
	body := form.Get("access_token")
	if body != "" && raw != "" {
		return "", misplaced("The access token was sent in more than one way")
	}
	return raw + body, nil
}

// HeaderToken is the access token of the one Authorization header (RFC 6750 §2.1); "" where there is none. Two headers,
// and one that is malformed, are invalid_request.
func HeaderToken(r *http.Request) (string, error) {
	headers := r.Header["Authorization"]
	switch len(headers) {
	case 0:
		return "", nil
	case 1:
	default:
		return "", misplaced("There is more than one Authorization header")
	}
	scheme, rest, _ := strings.Cut(headers[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", denied(http.StatusUnauthorized, "", "", "The scheme Bearer is required")
	}
	raw := strings.TrimLeft(rest, " ")
	if !tokenSyntax(raw) {
		return "", misplaced("The Authorization header is malformed")
	}
	return raw, nil
}

// tokenSyntax reports whether s is b64token (RFC 6750 §2.1).
func tokenSyntax(s string) bool {
	bare := strings.TrimRight(s, "=")
	if bare == "" {
		return false
	}
	for i := 0; i < len(bare); i++ {
		switch c := bare[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~+/", c) >= 0:
		default:
			return false
		}
	}
	return true
}

func misplaced(text string) error {
	return denied(http.StatusBadRequest, oauth.CodeInvalidRequest, "", text)
}

func invalidToken(cause error) error {
	return denied(http.StatusUnauthorized, oauth.CodeInvalidToken, "", "The access token is invalid or expired").WithCause(cause)
}

// denied is a refusal with its challenge (RFC 6750 §3). Without a code, for who
// presented nothing, the challenge says what is needed and no more (§3.1).
func denied(status int, code, scope, text string) *oauth.Error {
	challenge := oauth.Challenge{Scheme: "Bearer", Params: []oauth.Param{{Name: "realm", Value: "userinfo"}}}
	if code != "" {
		challenge.Params = append(challenge.Params, oauth.Param{Name: "error", Value: code}, oauth.Param{Name: "error_description", Value: text})
	}
	if scope != "" {
		challenge.Params = append(challenge.Params, oauth.Param{Name: "scope", Value: scope})
	}
	// The body is PingOne's and does not show the code; log and metrics do.
	return &oauth.Error{
		Code: cmp.Or(code, oauth.CodeInvalidToken), Status: status, Description: text, Challenges: []oauth.Challenge{challenge},
	}
}

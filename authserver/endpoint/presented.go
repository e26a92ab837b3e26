package endpoint

import (
	"cmp"
	"net/http"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/dpop"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// Presented is an access token as it came. It is a credential.
type Presented struct {
	Token string // "" where there is none
	// DPoP: with the scheme DPoP (RFC 9449 §7.1), and not as a bearer's.
	DPoP bool
}

// scheme is how it came.
func (p Presented) scheme() string {
	if p.DPoP {
		return "DPoP"
	}
	return "Bearer"
}

// FromHeader is the access token of the one Authorization header (RFC 6750 §2.1, RFC 9449 §7.1). Two headers,
// and one that is malformed, are invalid_request.
func FromHeader(r *http.Request, realm string) (Presented, error) {
	var p Presented
	headers := r.Header["Authorization"]
	switch len(headers) {
	case 0:
		return p, nil
	case 1:
	default:
		return p, p.misplaced(realm, "There is more than one Authorization header")
	}
	scheme, rest, _ := strings.Cut(headers[0], " ")
	p.DPoP = strings.EqualFold(scheme, "DPoP")
	if !p.DPoP && !strings.EqualFold(scheme, "Bearer") {
		return p, p.denied(http.StatusUnauthorized, realm, "", "", "The scheme Bearer or DPoP is required")
	}
	p.Token = strings.TrimLeft(rest, " ")
	if !tokenSyntax(p.Token) {
		return p, p.misplaced(realm, "The Authorization header is malformed")
	}
	return p, nil
}

// HeaderToken is FromHeader where bearer tokens alone are taken; "" where there is none.
func HeaderToken(r *http.Request) (string, error) {
	p, err := FromHeader(r, "")
	if err == nil && p.DPoP {
		err = Presented{}.denied(http.StatusUnauthorized, "", "", "", "The scheme Bearer is required")
	}
	if err != nil {
		return "", err
	}
	return p.Token, nil
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

func (p Presented) misplaced(realm, text string) error {
	return p.denied(http.StatusBadRequest, realm, oauth.CodeInvalidRequest, "", text)
}

func (p Presented) invalid(realm string, cause error) error {
	return p.denied(http.StatusUnauthorized, realm, oauth.CodeInvalidToken, "", "The access token is invalid or expired").WithCause(cause)
}

// denied is a refusal with its challenge (RFC 6750 §3), of the scheme that was used. Without a code, for who
// presented nothing, there is one of each scheme, which says what is needed and no more (§3.1).
func (p Presented) denied(status int, realm, code, scope, text string) *oauth.Error {
	challenge := oauth.Challenge{Scheme: p.scheme(), Params: []oauth.Param{{Name: "realm", Value: realm}}}
	if code != "" {
		challenge.Params = append(challenge.Params, oauth.Param{Name: "error", Value: code}, oauth.Param{Name: "error_description", Value: text})
	}
	if scope != "" {
		challenge.Params = append(challenge.Params, oauth.Param{Name: "scope", Value: scope})
	}
	algorithms := oauth.Param{Name: "algs", Value: strings.Join(dpop.Algorithms(), " ")}
	challenges := []oauth.Challenge{challenge}
	switch {
	case p.DPoP:
		challenges[0].Params = append(challenges[0].Params, algorithms)
	case code == "":
		challenges = append(challenges, oauth.Challenge{Scheme: "DPoP", Params: []oauth.Param{{Name: "realm", Value: realm}, algorithms}})
	}
	// The body is PingOne's and does not show the code; log and metrics do.
	return &oauth.Error{
		Code: cmp.Or(code, oauth.CodeInvalidToken), Status: status, Description: text, Challenges: challenges,
	}
}

package upstream

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/fetch"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

const (
	// unstatedLife is how long a token is used whose answer does not say how long it is good (RFC 6749 §5.1 recommends that it does).
	unstatedLife = time.Minute
	// longestLife bounds every sum of times.
	longestLife = 24 * time.Hour
	// longestMargin is how long before its end, at most, a token is used no more: it is still on its way then, and clocks differ.
	longestMargin = 30 * time.Second
)

// margin is a tenth of a token's life, and not more than longestMargin.
func margin(life time.Duration) time.Duration { return min(life/10, longestMargin) }

// issuedTypes are what an exchange may give for an access token (RFC 8693 §2.2.1, §3). A refresh token or an ID token is for
// somebody else's eyes.
var issuedTypes = []string{oauth.TokenTypeAccessToken, oauth.TokenTypeJWT}

// parseToken reads a successful answer of a token endpoint (RFC 6749 §5.1, RFC 8693 §2.2.1): one JSON object without repeated
// members, each of its type. Errors have none of its text.
func parseToken(a answer, exchanged bool) (obtained, error) {
	members, err := jose.ParseClaims(a.body, jose.Limits{Size: maxAnswer})
	if err != nil {
		return obtained{}, err
	}
	token, ok := members.Text("access_token")
	if !ok {
		return obtained{}, errors.New("the answer has no access_token")
	}
	if exchanged {
		if issued, _ := members.Text("issued_token_type"); !slices.Contains(issuedTypes, issued) {
			return obtained{}, errors.New("issued_token_type is not that of an access token")
		}
	}
	kind, _ := members.Text("token_type")
	if !strings.EqualFold(kind, "Bearer") && !(exchanged && strings.EqualFold(kind, "N_A")) {
		return obtained{}, errors.New("token_type is not Bearer")
	}
	if err := checkToken(token); err != nil {
		return obtained{}, err
	}
	life := unstatedLife
	if raw, ok := members.Raw("expires_in"); ok {
		n, err := strconv.ParseInt(string(raw), 10, 64)
		if err != nil || n <= 0 {
			return obtained{}, errors.New("expires_in is not a positive number of seconds")
		}
		life = time.Duration(min(n, int64(longestLife/time.Second))) * time.Second
	}
	life -= margin(life)
	return obtained{token: token, life: life, end: a.asked.Add(life)}, nil
}

// checkToken judges a token by what can be seen: that it fits into a header, and that it is worth something by itself. One that is bound
// to a key (RFC 7800 §3.1) is not: the upstream could not check that, and must not be led to ignore it.
func checkToken(token string) error {
	if token == "" || len(token) > maxToken {
		return errors.New("the token is empty or too long")
	}
	for i := range len(token) {
		if token[i] <= ' ' || token[i] > '~' {
			return errors.New("the token has characters that no token has (RFC 6750 §2.1)")
		}
	}
	if bound(token) {
		return errors.New("the token is bound to a key (cnf), which the upstream could not check")
	}
	return nil
}

// bound reports whether a token says that it is bound, as far as it can be read here. Nobody has verified it, nor needs to: it came from the
// server that made it.
func bound(token string) bool {
	if !jose.LooksLikeJWT(token) {
		return false
	}
	jws, err := jose.Parse(token, jose.Limits{Size: maxToken})
	if err != nil {
		return false // encrypted, for instance: for the upstream to open
	}
	claims, err := jws.Claims()
	return err == nil && claims.Has("cnf")
}

// errorCode is the code of an error answer (RFC 6749 §5.2), "" where there is none that can be read.
func errorCode(a answer) string {
	members, err := jose.ParseClaims(a.body, jose.Limits{Size: maxAnswer})
	if err != nil {
		return ""
	}
	code, _ := members.Text("error")
	if !slices.Contains(knownCodes, code) {
		return ""
	}
	return code
}

// knownCodes may be repeated in the log; other text of an answer is not.
var knownCodes = []string{
	oauth.CodeInvalidRequest, oauth.CodeInvalidClient, oauth.CodeInvalidGrant, oauth.CodeUnauthorizedClient,
	oauth.CodeUnsupportedGrantType, oauth.CodeInvalidScope, oauth.CodeInvalidTarget, oauth.CodeAccessDenied,
	oauth.CodeServerError, oauth.CodeTemporarilyUnavailable,
}

// failed is what an answer without a token means for everybody.
func (s *server) failed(a answer) (fetch.Health, error) {
	code := errorCode(a)
	health := fetch.StatusHealth(a.status, a.header, s.config.Now())
	switch code {
	case oauth.CodeInvalidClient, oauth.CodeUnauthorizedClient, oauth.CodeUnsupportedGrantType:
		health = fetch.Down(0) // of the gate, whatever token it has
	case "":
		return health, fmt.Errorf("answered with status %d", a.status)
	}
	return health, fmt.Errorf("answered with status %d, %s", a.status, code)
}

func succeeded(a answer) bool { return a.status == http.StatusOK }

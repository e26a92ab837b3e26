package legacy

import (
	"net/http"
	"slices"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/pattern"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// tokenFilter is what a _queryId asks for (5.3): the pairs that every token must match.
type tokenFilter struct {
	pairs []tokenPair
	// userName and realm are the values of those pairs; "" where there is none.
	userName, realm string
}

type tokenPair struct {
	name, value string
	values      fieldValues
}

// fieldValues are those that a token has of a field; it matches if one of them is the text that was asked for, byte for byte.
// refresh is the refresh token of an access token, or nil.
type fieldValues func(t *oauthToken, refresh *token.Held) []string

// tokenFields are the fields that may be named. What is never known, such as user_code, matches nothing.
var tokenFields = map[string]fieldValues{
	"expireTime":  func(t *oauthToken, _ *token.Held) []string { return []string{milliseconds(t.expires())} },
	"scope":       func(t *oauthToken, _ *token.Held) []string { return t.scope() },
	"parent":      func(t *oauthToken, _ *token.Held) []string { return values(t.parent()) },
	fieldUserName: func(t *oauthToken, _ *token.Held) []string { return values(t.userName()) },
	"redirectURI": func(t *oauthToken, _ *token.Held) []string { return values(t.redirectURI()) },
	fieldRefresh: func(t *oauthToken, refresh *token.Held) []string {
		if t.record == nil || refresh == nil {
			return nil
		}
		return []string{refresh.Authorization.Grant}
	},
	"issued": func(t *oauthToken, _ *token.Held) []string {
		if t.record == nil {
			return nil // a family goes back to its first token, which was another one
		}
		return []string{milliseconds(t.record.IssuedAt)}
	},
	"tokenType":   func(t *oauthToken, _ *token.Held) []string { return []string{t.tokenType()} },
	fieldRealm:    func(t *oauthToken, _ *token.Held) []string { return []string{t.realm.Path} },
	"id":          func(t *oauthToken, _ *token.Held) []string { return []string{t.handle()} },
	fieldClientID: func(t *oauthToken, _ *token.Held) []string { return []string{t.client.ID} },
	"tokenName":   func(t *oauthToken, _ *token.Held) []string { return []string{t.name()} },
	"nonce":       func(t *oauthToken, _ *token.Held) []string { return values(t.nonce()) },
	"grant_type":  func(t *oauthToken, _ *token.Held) []string { return []string{t.grantType()} },
	"ssoTokenId":  func(t *oauthToken, _ *token.Held) []string { return values(t.session()) },
	"user_code":   func(*oauthToken, *token.Held) []string { return nil },
	"authGrantId": func(t *oauthToken, _ *token.Held) []string { return values(t.grant()) },
	"auth_time": func(t *oauthToken, _ *token.Held) []string {
		if t.authTime() == 0 {
			return nil
		}
		return []string{decimal(t.authTime())}
	},
}

// Fields that mean more than a comparison.
const (
	fieldUserName = "userName"
	fieldRealm    = "realm"
	fieldClientID = "clientID"
	fieldRefresh  = "refreshToken"
)

// ownAccessTokens is the _queryId that asks for a person's own access tokens.
const ownAccessTokens = "access_token"

// AM's texts.
const (
	needsUserName  = "userName field MUST be set in _queryId"
	refuseUserName = "userName field MUST NOT be set in _queryId"
)

var (
	// plainPiece is a piece without "=" that AM overlooks. Others look like part of a value,
	// or of an attempt at something.
	plainPiece = pattern.New(`^[A-Za-z0-9_]*$`)
	// realmPath is how realms are written.
	realmPath = pattern.New(`^/(?:[A-Za-z0-9][A-Za-z0-9._-]{0,63}(?:/[A-Za-z0-9][A-Za-z0-9._-]{0,63})*)?$`)
)

// maxPairs bounds a filter.
const maxPairs = 30

// readTokenFilter reads a _queryId whose percent-encoding is gone. Values are compared byte for byte: there are no
// wildcards and no quoting, and what looks like either is refused, as is whatever would make a
// query select more than its author may have thought: a second userName or realm, or a field that lost its value.
func readTokenFilter(text string, administrator bool) (*tokenFilter, error) {
	f := &tokenFilter{}
	if text == ownAccessTokens {
		f.pairs = append(f.pairs, tokenPair{"tokenName", accessTokenName, tokenFields["tokenName"]})
		return f, f.checkUserName(administrator)
	}
	seen := map[string]bool{}
	for piece := range strings.SplitSeq(text, ",") {
		name, value, found := strings.Cut(piece, "=")
		if !found {
			if _, field := tokenFields[name]; field || !plainPiece.MatchString(name) {
				return nil, malformedFilter()
			}
			continue
		}
		values, known := tokenFields[name]
		switch {
		case strings.Contains(value, "="), strings.ContainsFunc(value, unwanted):
			return nil, malformedFilter()
		case !known:
			return nil, crest(http.StatusBadRequest, "_queryId names a field that there is not")
		case value == "" && name == fieldUserName && administrator:
			return nil, crest(http.StatusBadRequest, needsUserName)
		case value == "":
			return nil, malformedFilter()
		case seen[name] && (name == fieldUserName || name == fieldRealm):
			return nil, crest(http.StatusBadRequest, "_queryId names "+name+" more than once")
		case name == fieldRealm && !realmPath.MatchString(value):
			return nil, crest(http.StatusBadRequest, "_queryId names a realm that is none")
		case len(f.pairs) == maxPairs:
			return nil, malformedFilter()
		}
		seen[name] = true
		switch name {
		case fieldUserName:
			f.userName = value
			continue // it says where to look, see sources
		case fieldRealm:
			f.realm = value
		}
		f.pairs = append(f.pairs, tokenPair{name, value, values})
	}
	return f, f.checkUserName(administrator)
}

// checkUserName: administrators say whose tokens they want, and others cannot.
func (f *tokenFilter) checkUserName(administrator bool) error {
	switch {
	case administrator && f.userName == "":
		return crest(http.StatusBadRequest, needsUserName)
	case !administrator && f.userName != "":
		return crest(http.StatusBadRequest, refuseUserName)
	}
	return nil
}

func malformedFilter() error {
	return crest(http.StatusBadRequest, "_queryId is malformed: it is access_token, or field=value pairs with commas between them, without wildcards and quotes")
}

// unwanted are the characters that no value has: wildcards, quotes that it would need, and what is not text.
func unwanted(r rune) bool {
	return r == '*' || r == '"' || r == '\\' || r < ' ' || r == 0x7f || r == '\uFFFD'
}

// equals gives the value that tokens must have of a field, where the filter names it once or more.
func (f *tokenFilter) equals(name string) string {
	for _, p := range f.pairs {
		if p.name == name {
			return p.value
		}
	}
	return ""
}

// asksRefresh reports whether the filter looks at the refresh tokens of access tokens.
func (f *tokenFilter) asksRefresh() bool { return f.equals(fieldRefresh) != "" }

// matches reports whether a token has every value that was asked for.
func (f *tokenFilter) matches(t *oauthToken, refresh *token.Held) bool {
	for _, p := range f.pairs {
		if !slices.Contains(p.values(t, refresh), p.value) {
			return false
		}
	}
	return true
}

package token

import (
	"encoding/json"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/pattern"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Scopes that stand for claims (OIDC Core §5.4).
const (
	scopeProfile = "profile"
	scopeEmail   = "email"
	scopeAddress = "address"
	scopePhone   = "phone"
)

// standardClaim is a claim of OIDC Core §5.1.
type standardClaim struct {
	scope string
	// value gives what may be sent of what the directory has; ok is false for
	// nothing. A malformed claim is left out rather than sent: a client that trusts
	// its type would fail on it.
	value func(v any) (sent any, ok bool)
}

var standardClaims = map[string]standardClaim{
	"name": {scopeProfile, line}, "given_name": {scopeProfile, line}, "family_name": {scopeProfile, line},
	"middle_name": {scopeProfile, line}, "nickname": {scopeProfile, line}, "preferred_username": {scopeProfile, line},
	"profile": {scopeProfile, address}, "picture": {scopeProfile, address}, "website": {scopeProfile, address},
	"gender": {scopeProfile, line}, "birthdate": {scopeProfile, birthdate}, "zoneinfo": {scopeProfile, zone},
	"locale": {scopeProfile, locale}, "updated_at": {scopeProfile, moment},
	"email": {scopeEmail, mailbox}, "email_verified": {scopeEmail, truth},
	"address":      {scopeAddress, postal},
	"phone_number": {scopePhone, line}, "phone_number_verified": {scopePhone, truth},
}

// StandardClaims are the names of the claims above, sorted, for metadata.
func StandardClaims() []string {
	names := make([]string, 0, len(standardClaims))
	for name := range standardClaims {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Claims are those about a person in an ID token: what the granted scopes give,
// where withScopes, and the single ones that were asked for. Claims without a
// value are left out; so are malformed ones, and those of which another value was
// requested (OIDC Core §5.5.1). o is what claims are in the environment.
//
// Which of them a client may have at all is not decided here: IDTokens and
// UserInfo do, by what is granted to it.
func Claims(o *store.OpenID, user *store.User, scope []string, withScopes bool, asked map[string]oauth.ClaimRequest) map[string]any {
	out := map[string]any{}
	switch {
	case withScopes:
		addScopeClaims(o, user, scope, toIDToken, out)
	case len(o.Claims) > 0:
		addKeptFromUserInfo(o, user, scope, out)
	}
	for name, wanted := range asked {
		if v, ok := told(o, user, name, toIDToken); ok && agrees(wanted, v) {
			out[name] = v
		}
	}
	return out
}

// destination is where claims about a person go.
type destination int

const (
	toIDToken destination = iota
	toUserInfo
	toAny // where it does not matter
)

func (to destination) allows(c store.OpenIDClaim) bool {
	switch to {
	case toIDToken:
		return c.IDToken
	case toUserInfo:
		return c.UserInfo
	}
	return c.IDToken || c.UserInfo
}

// addScopeClaims adds what the granted scopes give.
func addScopeClaims(o *store.OpenID, user *store.User, scope []string, to destination, out map[string]any) {
	for name := range standardClaims {
		if !gives(o, scope, name) {
			continue
		}
		if v, ok := told(o, user, name, to); ok {
			out[name] = v
		}
	}
	if len(o.Scopes) > 0 {
		addFurther(o, user, scope, to, out)
	}
}

// claim is what may be sent of one claim.
func claim(user *store.User, name string) (any, bool) {
	if reserved(name) {
		return nil, false
	}
	std, ok := standardClaims[name]
	if !ok {
		return other(user.Claims[name])
	}
	if name == "email_verified" {
		return emailVerified(user)
	}
	if v, ok := std.value(user.Claims[name]); ok {
		return v, true
	}
	switch name { // what a record says in other words
	case "preferred_username":
		return line(user.Username)
	case "updated_at":
		return moment(user.UpdatedAt)
	case "name":
		given, _ := line(user.Claims["given_name"])
		family, _ := line(user.Claims["family_name"])
		first, _ := given.(string)
		last, _ := family.(string)
		return line(strings.TrimSpace(first + " " + last))
	}
	return nil, false
}

// emailVerified is about the address in the email claim. Only configuration may
// say it of itself; of anybody else it is what verification has found.
func emailVerified(user *store.User) (any, bool) {
	if _, ok := mailbox(user.Claims["email"]); !ok {
		return nil, false
	}
	if v, ok := truth(user.Claims["email_verified"]); ok && user.Declared {
		return v, true
	}
	return user.Verified, true
}

// agrees reports whether v is what was asked for.
func agrees(wanted oauth.ClaimRequest, v any) bool {
	if wanted.Value == "" && len(wanted.Values) == 0 {
		return true
	}
	s, ok := v.(string)
	return ok && s != "" && (s == wanted.Value || slices.Contains(wanted.Values, s))
}

// mayHave reports whether a claim can be given to the client at all: the claims
// parameter asks for single claims, and never for more than scopes that are
// granted to the client would give.
func mayHave(o *store.OpenID, client *store.Client, name string) bool {
	_, ok := scopeFor(o, client, name)
	return ok
}

// scopeFor is a scope granted to the client that stands for a claim. Claims that
// no scope stands for count as parts of the profile.
func scopeFor(o *store.OpenID, client *store.Client, name string) (scope string, ok bool) {
	granted := client.Grants[store.ResourceOpenID]
	std, known := standardClaims[name]
	if known && slices.Contains(granted, std.scope) {
		return std.scope, true
	}
	for _, scope := range granted {
		if claims, changed := o.Scopes[scope]; changed && slices.Contains(claims, name) {
			return scope, true
		}
	}
	if !known && !mapped(o, name) && slices.Contains(granted, scopeProfile) {
		return scopeProfile, true
	}
	return "", false
}

// reserved reports whether a name is for the token itself or for its machinery,
// and so never for a claim about a person.
func reserved(name string) bool {
	switch name {
	case "", "iss", "sub", "aud", "exp", "iat", "nbf", "jti", "auth_time", "acr", "amr", "azp", "nonce", "at_hash", "c_hash",
		"s_hash", "sid", "client_id", "scope", "env", "org", "grant_id", "userinfo_claims", "exchanged_from", "cnf", "act", "may_act", "events",
		"active", "token_type", "username", "typ", "_claim_names", "_claim_sources":
		return true
	}
	return strings.HasPrefix(name, "p1.") || len(name) > maxClaimName
}

// Bounds of what the claims parameter of a stranger can put into a token.
const (
	maxClaimName = 128
	maxUserInfo  = 40
)

// beyondScope lists the claims that were asked for UserInfo by name and that the
// granted scopes do not give already, sorted. Names without a value here are
// left out, so that a request cannot fill tokens with words of its own.
func beyondScope(o *store.OpenID, user *store.User, client *store.Client, scope []string, asked map[string]oauth.ClaimRequest) []string {
	var names []string
	for name, wanted := range asked {
		if gives(o, scope, name) || !mayHave(o, client, name) {
			continue
		}
		if v, ok := told(o, user, name, toUserInfo); ok && agrees(wanted, v) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names[:min(len(names), maxUserInfo)]
}

// ClaimScopes lists the scopes that stand for the single claims that were asked
// for, of those that user has and client can be given, sorted: what a person
// has to agree to when they are asked by scopes.
func ClaimScopes(o *store.OpenID, user *store.User, client *store.Client, asked ...map[string]oauth.ClaimRequest) []string {
	var scopes []string
	for _, claims := range asked {
		for name := range claims {
			if _, ok := told(o, user, name, toAny); !ok {
				continue
			}
			if scope, ok := scopeFor(o, client, name); ok {
				scopes = append(scopes, scope)
			}
		}
	}
	slices.Sort(scopes)
	return slices.Compact(scopes)
}

// line is text that says something: never empty, and never what somebody's
// program made of nothing.
func line(v any) (any, bool) {
	s, ok := v.(string)
	if !ok || strings.TrimSpace(s) == "" || s == "null" || !utf8.ValidString(s) {
		return nil, false
	}
	return s, true
}

func truth(v any) (any, bool) {
	b, ok := v.(bool)
	return b, ok
}

// address is an absolute URL of the web.
func address(v any) (any, bool) {
	s, ok := line(v)
	if !ok {
		return nil, false
	}
	u, err := url.Parse(s.(string))
	return s, err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}

func mailbox(v any) (any, bool) {
	s, ok := line(v)
	if !ok {
		return nil, false
	}
	local, host, found := strings.Cut(s.(string), "@")
	return s, found && local != "" && host != "" && !strings.ContainsAny(s.(string), " \t\r\n<>,;") && !strings.Contains(host, "@")
}

var (
	zoneText   = pattern.New(`^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$`)
	localeText = pattern.New(`^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$`)
)

// zone has the form of a name of the time zone database.
func zone(v any) (any, bool) {
	s, ok := line(v)
	return s, ok && zoneText.MatchString(s.(string))
}

// locale is a language tag (BCP 47); "en_US" is written "en-US".
func locale(v any) (any, bool) {
	s, ok := line(v)
	if !ok {
		return nil, false
	}
	tag := strings.ReplaceAll(s.(string), "_", "-")
	return tag, localeText.MatchString(tag)
}

// birthdate is YYYY-MM-DD, YYYY, or 0000-MM-DD where the year is nobody's business.
func birthdate(v any) (any, bool) {
	s, ok := line(v)
	if !ok {
		return nil, false
	}
	day := s.(string)
	if _, err := time.Parse("2006", day); err == nil {
		return day, day != "0000"
	}
	if rest, hidden := strings.CutPrefix(day, "0000-"); hidden {
		_, err := time.Parse(time.DateOnly, "2000-"+rest) // a leap year
		return day, err == nil
	}
	_, err := time.Parse(time.DateOnly, day)
	return day, err == nil
}

// moment is whole seconds since 1970.
func moment(v any) (any, bool) {
	var n int64
	switch t := v.(type) {
	case time.Time:
		n = t.Unix()
	case int:
		n = int64(t)
	case int64:
		n = t
	case float64:
		if !(0 < t && t < math.MaxInt64/2) {
			return nil, false
		}
		n = int64(t)
	case json.Number:
		f, err := t.Float64()
		if err != nil {
			return nil, false
		}
		return moment(f)
	}
	return n, n > 0
}

var addressMembers = [...]string{"formatted", "street_address", "locality", "region", "postal_code", "country"}

// postal is the address claim (OIDC Core §5.1.1): its known members that are text.
func postal(v any) (any, bool) {
	all, ok := v.(map[string]any)
	if !ok {
		return nil, false
	}
	out := map[string]any{}
	for _, name := range addressMembers {
		if s, ok := line(all[name]); ok {
			out[name] = s
		}
	}
	return out, len(out) > 0
}

// other is a claim that OpenID Connect does not define: anything but nothing.
func other(v any) (any, bool) {
	switch t := v.(type) {
	case nil:
		return nil, false
	case string:
		return line(t)
	case []any:
		return t, len(t) > 0
	case map[string]any:
		return t, len(t) > 0
	}
	return v, true
}

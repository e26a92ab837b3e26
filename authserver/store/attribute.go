package store

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Attribute is a claim that an application's ID tokens and UserInfo answers have
// because it is mapped (PingOne's attribute mapping of an application). It is
// there whatever the scopes are, and in the place of what they would give under
// that name.
type Attribute struct {
	Claim             string
	From              Source
	IDToken, UserInfo bool // where it goes; at least one
	// Scopes are those of which one must be granted for it to be there; nil: it is there whatever the scopes are.
	Scopes []string
}

// ResourceAttribute is a claim that a resource's access tokens have because it is
// mapped (PingOne's attribute of a custom resource). The claim sub replaces the
// user's ID for this resource.
type ResourceAttribute struct {
	Claim string
	From  Source
	// Required refuses the token where there is no value. Otherwise the claim is left
	// out, and sub is the user's ID.
	Required bool
}

// Source is where the value of a mapped claim comes from.
type Source struct {
	// User is a path into the person's record: "id", "username", or the name of a claim, and of members of
	// it behind dots. "" means Text.
	User string
	Text string
}

// SourceUserID is the sub of a token unless something else is mapped to it.
var SourceUserID = Source{User: "id"}

const (
	maxAttributeName = 128
	maxAttributeText = 1024
)

// pingOnePaths are PingOne's names of what OpenID Connect has a claim for.
var pingOnePaths = map[string]string{
	"name.given": "given_name", "name.family": "family_name", "name.middle": "middle_name", "name.formatted": "name",
	"primaryPhone": "phone_number", "emailVerified": "email_verified", "photo.href": "picture", "timezone": "zoneinfo",
	"address.streetAddress": "address.street_address", "address.postalCode": "address.postal_code", "address.countryCode": "address.country",
}

// ParseSource reads ${user.<path>}, where a path is in PingOne's words or in those of
// OpenID Connect, or else plain text, which has no braces: PingOne's other
// expressions, and placeholders of other languages, are refused and never sent
// as text.
func ParseSource(text string) (Source, error) {
	if inner, ok := strings.CutPrefix(text, "${"); ok {
		inner, closed := strings.CutSuffix(inner, "}")
		path, ofUser := strings.CutPrefix(inner, "user.")
		if !closed || !ofUser || !validPath(path) {
			return Source{}, fmt.Errorf("unknown placeholder %q; there are ${user.id}, ${user.username} and ${user.<claim>}", text)
		}
		if name, ok := pingOnePaths[path]; ok {
			path = name
		}
		return Source{User: path}, nil
	}
	switch {
	case strings.TrimSpace(text) == "":
		return Source{}, fmt.Errorf("the source is empty")
	case strings.ContainsAny(text, "{}"):
		return Source{}, fmt.Errorf("%q is neither plain text nor one placeholder ${user.<path>}", text)
	case len(text) > maxAttributeText || !utf8.ValidString(text):
		return Source{}, fmt.Errorf("the text is not UTF-8 of at most %d bytes", maxAttributeText)
	}
	return Source{Text: text}, nil
}

// validPath accepts names of claims, also those that are URLs, with dots between
// them, and no operators.
func validPath(path string) bool {
	for _, part := range strings.Split(path, ".") {
		if part == "" {
			return false
		}
	}
	return len(path) <= maxAttributeName && strings.Trim(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:/") == ""
}

// CheckAttribute refuses claims that nothing may be mapped to; only a resource may
// map sub.
func CheckAttribute(claim string, resource bool) error {
	switch {
	case claim == "" || len(claim) > maxAttributeName || strings.ContainsFunc(claim, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }):
		return fmt.Errorf("%q is not the name of a claim: 1 to %d printable characters of ASCII", claim, maxAttributeName)
	case claim == "sub" && resource:
		return nil
	case ReservedAttribute(claim):
		return fmt.Errorf("the claim %q is reserved", claim)
	}
	return nil
}

// ReservedAttribute reports whether a claim says something about the token itself,
// so that nothing is mapped to it: what PingOne reserves, what only this server
// writes, and what would make a verifier take the token for another kind of token,
// or for one that is bound to a key.
func ReservedAttribute(claim string) bool {
	switch claim {
	case "acr", "amr", "aud", "auth_time", "client_id", "env", "exp", "iat", "iss", "jti", "org", "scope", "sid", "sub",
		"at_hash", "azp", "nbf", "nonce", // of applications, in PingOne
		"grant_id", "userinfo_claims", "unmapped_sub", "exchanged_from", // ours
		"c_hash", "s_hash", "cnf", "act", "may_act", "events", "toe", "htm", "htu", "token_introspection", "response_type", "redirect_uri",
		"typ", "tokenName", "token_use", "active", "token_type", "_claim_names", "_claim_sources":
		return true
	}
	return strings.HasPrefix(claim, "p1.")
}

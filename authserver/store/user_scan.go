package store

import (
	"context"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Term is one value by which stored users are found.
type Term struct {
	Attribute string // in the words of PingOne's filters: "email", "name.given"
	Value     string // folded by FoldTerm
}

// userAttributes are the claims behind PingOne's attributes that are called
// otherwise, and members of the claim address.
var userAttributes = []struct{ attribute, claim, member string }{
	{"name.given", "given_name", ""},
	{"name.family", "family_name", ""},
	{"name.middle", "middle_name", ""},
	{"name.formatted", "name", ""},
	{"primaryPhone", "phone_number", ""},
	{"address.streetAddress", "address", "street_address"},
	{"address.locality", "address", "locality"},
	{"address.region", "address", "region"},
	{"address.postalCode", "address", "postal_code"},
	{"address.countryCode", "address", "country"},
}

// ownTerms are attributes that no claim is found by.
var ownTerms = map[string]bool{"": true, "id": true, "username": true, "enabled": true, "population.id": true}

// renamed are the claims in userAttributes, and the attributes: a claim called
// like one would be found in its place.
var renamed = func() map[string]bool {
	m := make(map[string]bool)
	for _, a := range userAttributes {
		m[a.claim], m[a.attribute] = true, true
	}
	return m
}()

// UserTerms are all terms of a user, one for each attribute at most: username;
// population.id, with an empty value where there is none; enabled, with the value
// "false", of disabled users alone (that nearly everybody is enabled is
// worth no row: who looks for them walks over all); and every claim that is text
// and not empty, under PingOne's name ("name.given", "address.locality", "primaryPhone"), or under
// its own where it has no other ("email", "externalId", what an organization has added).
func UserTerms(u User) []Term {
	terms := make([]Term, 0, len(u.Claims)+3)
	add := func(attribute string, value any) {
		text, ok := value.(string)
		if !ok {
			return
		}
		if folded := FoldTerm(text); folded != "" {
			terms = append(terms, Term{attribute, folded})
		}
	}
	add("username", u.Username)
	terms = append(terms, Term{"population.id", FoldTerm(u.Population)})
	if u.Disabled {
		terms = append(terms, Term{"enabled", "false"})
	}
	for _, a := range userAttributes {
		value := u.Claims[a.claim]
		if a.member != "" {
			members, _ := value.(map[string]any)
			value = members[a.member]
		}
		add(a.attribute, value)
	}
	for claim, value := range u.Claims {
		if !ownTerms[claim] && !renamed[claim] && len(claim) <= maxTermAttribute {
			add(claim, value)
		}
	}
	return terms
}

const (
	// maxTerm is the length in bytes of the longest value of a term.
	maxTerm = 64
	// maxTermAttribute is the length in bytes of the longest claim that users are found by.
	maxTermAttribute = 256
)

// FoldTerm is the one spelling under which values are compared: without regard to
// case and to compatibility variants of characters. It is cut at the end of a character to
// 64 bytes at most, so that what is found has to be looked at once more. What is
// not text becomes U+FFFD. Where one value begins with another, so do their folded
// forms, unless the next character of the longer one is a mark on the last of the shorter.
func FoldTerm(value string) string {
	const longest = 16 * maxTerm // folding makes hardly anything shorter than that
	value = cut(strings.ToValidUTF8(value, string(utf8.RuneError)), longest)
	value = strings.ReplaceAll(value, "\x00", string(utf8.RuneError))
	return cut(norm.NFKC.String(strings.ToLower(norm.NFKC.String(value))), maxTerm)
}

// cut is the longest beginning of a valid s that has at most n bytes and ends with a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// UserScan walks over stored users in the order of one index.
type UserScan struct {
	Environment string
	// Attribute is the term's; "" walks over all users by ID.
	Attribute string
	// Value is what the term is, or with Prefix begins with; folded by FoldTerm.
	Value  string
	Prefix bool
	// After is the mark of the last user of the page before; zero for the first page.
	After UserMark
	Limit int
}

// UserMark is a place in a UserScan: the term's value and the user's ID.
type UserMark struct{ Value, ID string }

// ScannedUser is a user and its place.
type ScannedUser struct {
	User
	Mark UserMark
}

// UserScans lists stored users.
type UserScans interface {
	// ScanUsers gives the users that s names, by the value of the term and then by ID, at most s.Limit. Its
	// cost depends on the limit and not on how many users there are.
	ScanUsers(ctx context.Context, s UserScan) ([]ScannedUser, error)
	// For a while after the upgrade of a database with many users they are ErrUnavailable, while the terms are
	// made.
	//
	// CountUsers counts the stored users of a population ("" for those without one), or of the environment
	// with every; it stops at limit.
	CountUsers(ctx context.Context, environment, population string, every bool, limit int) (int, error)
}

package store

import (
	"context"
)

// Term is one value by which stored users are found.
type Term struct {
	Attribute string // in the words of PingOne's filters: "email", "name.given"
	Value     string // folded by FoldTerm
}

// UserTerms are all terms of a user.
func UserTerms(u User) []Term { panic("contract") }

// FoldTerm is the one spelling under which values are compared: without regard to
// case and to compatibility variants of characters; long ones are cut, so that what is found has to be
// looked at once more.
func FoldTerm(value string) string { panic("contract") }

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
	// CountUsers counts the stored users of a population ("" for those without one), or of the environment
	// with every; it stops at limit.
	CountUsers(ctx context.Context, environment, population string, every bool, limit int) (int, error)
}

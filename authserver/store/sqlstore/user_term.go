package sqlstore

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const (
	insertTerm = `INSERT INTO user_terms (scope, value, id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`
	deleteTerm = `DELETE FROM user_terms WHERE scope = $1 AND value = $2 AND id = $3`
)

// everyone is the attribute, with an empty value, of the term that every user has.
const everyone = ""

// indexTerms are the terms that the index has of u.
func indexTerms(u store.User) []store.Term {
	return append(store.UserTerms(u), store.Term{Attribute: everyone})
}

// changeTerms is what brings the terms of a user from one state to another.
func changeTerms(environment, id string, from, to []store.Term) (statements []*Statement) {
	change := func(text string, t store.Term) {
		statements = append(statements, &Statement{Text: text, Args: []any{termScope(environment, t.Attribute), t.Value, id}})
	}
	for _, t := range from {
		if !slices.Contains(to, t) {
			change(deleteTerm, t)
		}
	}
	for _, t := range to {
		if !slices.Contains(from, t) {
			change(insertTerm, t)
		}
	}
	return statements
}

// termScope stands for an attribute in an environment: the first 64 bits of a
// hash. Where two are one, which nobody can bring about on purpose for an
// environment that is not theirs, a walk meets users that it does not look for: those of
// another environment are not found there, and every one that is found is looked at once more.
func termScope(environment, attribute string) int64 {
	h := sha256.Sum256([]byte(environment + "\x00" + attribute)) // neither has a zero byte
	return int64(binary.BigEndian.Uint64(h[:8]))
}

package sqlstore

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const (
	// The ends of the range are exclusive.
	termsInRange = `SELECT value, id FROM user_terms WHERE scope = $1 AND (value, id) > ($2, $3) AND value < $4 ORDER BY value, id LIMIT $5`
	termsOfValue = `SELECT value, id FROM user_terms WHERE scope = $1 AND value = $2 AND id > $3 ORDER BY id LIMIT $4`

	countTerms = `SELECT count(*) FROM (SELECT 1 FROM user_terms WHERE scope = $1 AND value = $2 LIMIT $3) AS t`
)

// scanTexts are the statements that join terms with users; $6 is the environment.
type scanTexts struct{ ofValue, inRange string }

func newScanTexts(d Dialect) scanTexts {
	columns := "u." + strings.ReplaceAll(userColumns, ", ", ", u.")
	users := func(terms, environment, order string) string {
		return `SELECT t.value, ` + columns + ` FROM (` + terms + `) AS t
` + d.each("users", "u", "u.id = t.id AND u.environment = "+environment) + `
ORDER BY ` + order
	}
	return scanTexts{ofValue: users(termsOfValue, "$5", "t.id"), inRange: users(termsInRange, "$6", "t.value, t.id")}
}

// ScanUsers implements store.UserScans.
func (db *DB) ScanUsers(ctx context.Context, s store.UserScan) ([]store.ScannedUser, error) {
	if s.Limit <= 0 || !identity(s.Environment, s.Attribute, s.Value, s.After.Value, s.After.ID) {
		return nil, nil
	}
	if err := db.indexed(ctx); err != nil {
		return nil, fmt.Errorf("scan users: %w", err)
	}
	var users []store.ScannedUser
	for {
		limit := s.Limit - len(users)
		found, err := db.scanPage(ctx, s, limit)
		if err != nil {
			return nil, fmt.Errorf("scan users: %w", err)
		}
		users = append(users, found...)
		if len(found) == limit {
			return users, nil
		}
		// It is the end, or there are terms without a user among what was read,
		// which a node of an earlier release has left behind.
		marks, err := db.scanMarks(ctx, s, limit)
		if err != nil {
			return nil, fmt.Errorf("scan users: %w", err)
		}
		if len(marks) < limit {
			return users, nil
		}
		s.After = marks[limit-1]
		if len(found) > 0 && behind(found[len(found)-1].Mark, s.After) {
			s.After = found[len(found)-1].Mark
		}
	}
}

func behind(a, b store.UserMark) bool { return a.Value > b.Value || a.Value == b.Value && a.ID > b.ID }

// scanPage reads the users of the first limit terms behind s.After.
func (db *DB) scanPage(ctx context.Context, s store.UserScan, limit int) (users []store.ScannedUser, err error) {
	query, args := db.text.scan.inRange, rangeArgs(s, limit)
	if oneValue(s) {
		query, args = db.text.scan.ofValue, valueArgs(s, limit)
	}
	err = db.query(ctx, query, append(args, s.Environment), func(r Row) error {
		u := storedUser{User: store.User{Environment: s.Environment}}
		var mark store.UserMark
		err := scanUser(r, &u, &mark.Value)
		mark.ID = u.ID
		users = append(users, store.ScannedUser{User: u.User, Mark: mark})
		return err
	})
	return users, err
}

// scanMarks reads the first limit terms behind s.After.
func (db *DB) scanMarks(ctx context.Context, s store.UserScan, limit int) (marks []store.UserMark, err error) {
	query, args := termsInRange, rangeArgs(s, limit)
	if oneValue(s) {
		query, args = termsOfValue, valueArgs(s, limit)
	}
	err = db.query(ctx, query, args, func(r Row) error {
		var m store.UserMark
		err := r.Scan(&m.Value, &m.ID)
		marks = append(marks, m)
		return err
	})
	return marks, err
}

// oneValue reports whether all terms of a walk have the same value.
func oneValue(s store.UserScan) bool { return !s.Prefix || s.Attribute == everyone }

func valueArgs(s store.UserScan, limit int) []any {
	value := s.Value
	if s.Attribute == everyone {
		value = ""
	}
	return []any{TermScope(s.Environment, s.Attribute), value, s.After.ID, int64(limit)}
}

func rangeArgs(s store.UserScan, limit int) []any {
	after := s.After
	if behind(store.UserMark{Value: s.Value}, after) {
		after = store.UserMark{Value: s.Value} // no ID is empty
	}
	return []any{TermScope(s.Environment, s.Attribute), after.Value, after.ID, beyond(s.Value), int64(limit)}
}

// lastValue is behind every value of a term.
var lastValue = strings.Repeat(string(utf8.MaxRune), 17)

// beyond is the first value behind all that begin with prefix.
func beyond(prefix string) string {
	for prefix != "" {
		r, size := utf8.DecodeLastRuneInString(prefix)
		prefix = prefix[:len(prefix)-size]
		switch {
		case r == 0xD7FF:
			return prefix + "\uE000" // surrogates are no characters
		case r < utf8.MaxRune:
			return prefix + string(r+1)
		}
	}
	return lastValue
}

// CountUsers implements store.UserScans.
func (db *DB) CountUsers(ctx context.Context, environment, population string, every bool, limit int) (n int, err error) {
	if limit <= 0 || !identity(environment, population) {
		return 0, nil
	}
	if err := db.indexed(ctx); err != nil {
		return 0, fmt.Errorf("count users: %w", err)
	}
	scope, value := TermScope(environment, "population.id"), store.FoldTerm(population)
	if every {
		scope, value = TermScope(environment, everyone), ""
	}
	err = db.query(ctx, countTerms, []any{scope, value, int64(limit)}, func(r Row) error { return r.Scan(&n) })
	if err != nil {
		return 0, fmt.Errorf("count users: %w", err)
	}
	return n, nil
}

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/sqlstore"
)

// People as preloadPeople makes them: user0000000 and so on. One in rareEvery is
// in the population somePopulation, the others in the default one; one
// in ten is disabled, one in four has a password.
const (
	somePopulation = "33333333-3333-4333-8333-333333333333"
	rareEvery      = 20
	givenNames     = 100
	familyNames    = 1000
	mailDomain     = "@example.com"
)

// peopleText makes a table of n people for this session alone. The IDs are in
// another order than the names (the factor is odd, so each is there once): whoever pages by name looks
// for users all over the table.
func peopleText(d dialect, n int) string {
	number := func(i string, digits int) string { return fmt.Sprintf(d.digits, i, digits) }
	return "CREATE TEMP TABLE people AS SELECT " + strings.Join([]string{
		personID(d, "i") + " AS id",
		"'user' || " + number("i", 7) + " AS username",
		fmt.Sprintf("'Given' || %s AS given", number(fmt.Sprintf("i %% %d", givenNames), 2)),
		fmt.Sprintf("'Family' || %s AS family", number(fmt.Sprintf("(i / 7) %% %d", familyNames), 3)),
		fmt.Sprintf("CASE i %% %d WHEN 0 THEN '%s' ELSE '' END AS population", rareEvery, somePopulation),
		"CASE i % 10 WHEN 0 THEN 1 ELSE 0 END AS disabled",
		"i % 4 AS quarter",
	}, ", ") + " FROM " + fmt.Sprintf(d.series, n) + " AS numbers"
}

// personID is the ID of the person whose number i stands for.
func personID(d dialect, i string) string {
	return fmt.Sprintf(d.hex, "(("+i+") * 2654435761) % 4294967296", 8) + " || '-0000-4000-8000-' || " + fmt.Sprintf(d.hex, i, 12)
}

// termTexts are where the terms of people come from, by attribute. That they are
// all, and spelt as the store looks for them, is checked by foundByAll.
var termTexts = []struct{ attribute, value, where string }{
	{"", "''", ""}, // everybody has it
	{"username", "username", ""},
	{"population.id", "population", ""},
	{"enabled", "'false'", " WHERE disabled = 1"},
	{"email", "username || '" + mailDomain + "'", ""},
	{"name.given", "lower(given)", ""},
	{"name.family", "lower(family)", ""},
}

// fillTexts put n people into an environment. Rows are written in the order of the index that they
// go into.
func fillTexts(d dialect, environment string, n int, now time.Time) []string {
	at := now.UnixMicro()
	texts := []string{
		peopleText(d, n),
		fmt.Sprintf(`INSERT INTO users (environment, id, username, disabled, verified, claims, created_at, updated_at, version,
	population, mfa_enabled, verify_status, terms_of)
SELECT '%s', id, username, disabled, 1,
	'{"email":"' || username || '%s","email_verified":true,"family_name":"' || family || '","given_name":"' || given || '"}',
	%d, %d, 1, population, 0, '', 1 FROM people ORDER BY id`, environment, mailDomain, at, at),
		fmt.Sprintf(`INSERT INTO credentials (environment, subject, version, password, overrides, must_change, changed_at, failures, last_failure,
	locked_until, code_purpose, code, code_expires, code_tries, locked, locked_at)
SELECT '%[1]s', id, 1, '$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g', %[2]s, 0, %[3]d, 0, 0,
	0, '', %[2]s, 0, 0, 0, 0 FROM people WHERE quarter = 0 ORDER BY id`, environment, d.hash, at),
	}
	terms := slices.Clone(termTexts)
	slices.SortFunc(terms, func(a, b struct{ attribute, value, where string }) int {
		return cmp.Compare(sqlstore.TermScope(environment, a.attribute), sqlstore.TermScope(environment, b.attribute))
	})
	for _, t := range terms {
		texts = append(texts, fmt.Sprintf("INSERT INTO user_terms (scope, value, id) SELECT %d, %s, id FROM people%s ORDER BY 2, 3",
			sqlstore.TermScope(environment, t.attribute), t.value, t.where))
	}
	return append(texts, d.after...)
}

// preloadPeople puts n people into an environment of a database that no server
// uses. It is done in the database itself, which takes a tenth of the time that the
// store needs to make everything durable. The store makes the tables, and is asked
// afterwards for what has been put there, so that this file cannot drift from it unnoticed.
func (d *database) preloadPeople(environment string, n int) error {
	if err := d.with(func(context.Context, store.Store) error { return nil }); err != nil {
		return err
	}
	if err := d.run(fillTexts(d.dialect, environment, n, time.Now())...); err != nil {
		return fmt.Errorf("fill %s: %w", d.name, err)
	}
	return d.with(func(ctx context.Context, s store.Store) error {
		count, err := s.CountUsers(ctx, environment, "", true, n+1)
		if err != nil {
			return err
		}
		if count != n {
			return fmt.Errorf("the store counts %d users, want %d", count, n)
		}
		// Of each kind: disabled, with a password, of the population, and none of these.
		for _, i := range []int{0, 1, 4, n / 2, n - 1} {
			if err := foundByAll(ctx, s, environment, fmt.Sprintf("user%07d", i)); err != nil {
				return err
			}
		}
		return nil
	})
}

// foundByAll checks that the store finds a user by each of the terms that it would make of them,
// and by no other that preloadPeople knows of.
func foundByAll(ctx context.Context, s store.Store, environment, username string) error {
	u, err := s.StoredUserByName(ctx, environment, username)
	if err != nil {
		return fmt.Errorf("%s: %w", username, err)
	}
	terms := append(store.UserTerms(u), store.Term{})
	for _, t := range terms {
		if t.Attribute == "" && t.Value != "" {
			return errors.New("a term of everybody has a value")
		}
		// The walk begins just before the user.
		found, err := s.ScanUsers(ctx, store.UserScan{
			Environment: environment, Attribute: t.Attribute, Value: t.Value,
			After: store.UserMark{Value: t.Value, ID: u.ID[:len(u.ID)-1]}, Limit: 16,
		})
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(found, func(f store.ScannedUser) bool { return f.ID == u.ID }) {
			return fmt.Errorf("%s is not found by %s %q", username, t.Attribute, t.Value)
		}
	}
	for _, t := range termTexts {
		if t.where == "" && !slices.ContainsFunc(terms, func(have store.Term) bool { return have.Attribute == t.attribute }) {
			return fmt.Errorf("the store makes no term %q of %s", t.attribute, username)
		}
	}
	_, err = s.CredentialOf(ctx, environment, u.ID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("credential of %s: %w", username, err)
	}
	return nil
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// Tokens as preloadTokens makes them: each person is signed on and has tokensEach access tokens and a refresh token, of
// one authorization; manyTokensOf has manyMore access tokens.
const (
	tokensEach   = 10
	manyMore     = 1000
	manyTokensOf = 1 // the number of a person
)

// preloadTokens gives each of the people whom preloadPeople made live tokens, n of them access tokens, in a database
// that no server uses. It is done in the database itself, as there.
func (d *database) preloadTokens(environment string, n int) error {
	// What a server does in its first minute: PostgreSQL keeps tokens by the day on which they expire.
	err := d.with(func(ctx context.Context, s store.Store) error {
		_, err := s.Sweep(ctx, time.Now(), 1)
		return err
	})
	if err != nil {
		return err
	}
	people := (n - manyMore) / tokensEach
	texts, err := tokenTexts(d.dialect, environment, people, n, time.Now().Truncate(time.Second))
	if err != nil {
		return err
	}
	if err := d.run(texts...); err != nil {
		return fmt.Errorf("fill %s: %w", d.name, err)
	}
	return d.with(func(ctx context.Context, s store.Store) error {
		for _, i := range []int{0, manyTokensOf, people / 2, people - 1} {
			want := tokensEach
			if i == manyTokensOf {
				want += manyMore
			}
			if err := hasTokens(ctx, s, environment, fmt.Sprintf("user%07d", i), want); err != nil {
				return err
			}
		}
		return nil
	})
}

// tokenTexts put n access tokens and a refresh token of each of the people into an environment.
func tokenTexts(d dialect, environment string, people, n int, now time.Time) ([]string, error) {
	hex := func(i string, digits int) string { return fmt.Sprintf(d.hex, i, digits) }
	details, err := json.Marshal(token.Details{GrantType: oauth.GrantAuthorizationCode, RedirectURI: webRedirect, AuthTime: now.Unix(), AMR: []string{"pwd"}})
	if err != nil {
		return nil, err
	}
	// What is another one in each row stands between quotes of its own.
	authorization, err := json.Marshal(token.Authorization{
		Grant: "' || id || '", Client: webID, Scope: []string{"openid", "offline_access"}, RedirectURI: webRedirect,
		On: token.SignedOn{Subject: "' || subject || '", Session: "' || id || '", AuthTime: now.UTC(), AMR: []string{"pwd"}},
	})
	if err != nil {
		return nil, err
	}
	// The first manyMore are of one person; the others go round. Identifiers are like the server's own, time first.
	person := fmt.Sprintf("CASE WHEN i < %d THEN %d ELSE (i - %d) %% %d END", manyMore, manyTokensOf, manyMore, people)
	issued := fmt.Sprintf("(%d + i)", (now.Unix()-3600)*1000)
	family := func(i string) string { return hex(i, 8) + " || '-0000-4000-b000-' || " + hex(i, 12) }
	texts := []string{
		fmt.Sprintf(`INSERT INTO access_tokens (environment, id, client_id, subject, session, grant_id, scope, audience, issued_at, expires_at, data)
SELECT '%s', %s || '-' || %s || '-7000-8000-' || %s, '%s', %s, %s, %s, 'openid', '', %d + i / 1000, %d + i %% 3600, %s
FROM (SELECT i, %s AS p FROM %s AS numbers) AS tokens`,
			environment, hex(issued+" >> 16", 8), hex(issued+" & 65535", 4), hex("i", 12), webID, personID(d, "p"), family("p"), family("p"),
			now.Unix()-3600, now.Unix()+86400, fmt.Sprintf(d.blob, "'"+string(details)+"'"), person, fmt.Sprintf(d.series, n)),
		"CREATE TEMP TABLE granted AS SELECT " + family("i") + " AS id, " + personID(d, "i") + " AS subject FROM " + fmt.Sprintf(d.series, people) + " AS numbers",
	}
	begun, ends := now.UnixMicro(), now.Add(30*24*time.Hour).UnixMicro()
	texts = append(texts, fmt.Sprintf(`INSERT INTO sessions (environment, id, subject, token, data, created_at, active_at, expires_at, version)
SELECT '%s', id, subject, %s, %s, %d, %d, %d, 1 FROM granted ORDER BY id`,
		environment, fmt.Sprintf(d.drawn, "id"), fmt.Sprintf(d.blob, fmt.Sprintf(`'{"auth_time":%d}'`, now.Unix())), begun, begun, ends))
	texts = append(texts, fmt.Sprintf(`INSERT INTO families (environment, id, client_id, subject, session, data, created_at, expires_at, kept_until, ended)
SELECT '%s', id, '%s', subject, id, %s, %d, %d, %d, 0 FROM granted ORDER BY id`,
		environment, webID, fmt.Sprintf(d.blob, "'"+string(authorization)+"'"), begun, ends, ends),
		fmt.Sprintf("INSERT INTO refresh_tokens (environment, hash, family, expires_at, sealed) SELECT '%s', %s, id, %d, %s FROM granted",
			environment, fmt.Sprintf(d.drawn, "id"), ends, d.hash))
	return append(texts, d.after...), nil
}

// hasTokens checks that the store finds the access tokens and the refresh token of a person, and that they are what
// package token makes.
func hasTokens(ctx context.Context, s store.Store, environment, username string, want int) error {
	u, err := s.StoredUserByName(ctx, environment, username)
	if err != nil {
		return fmt.Errorf("%s: %w", username, err)
	}
	list, err := s.ListAccessTokens(ctx, store.AccessTokenFilter{Environment: environment, Subject: u.ID}, "", want+1, time.Now())
	if err != nil {
		return err
	}
	families, err := s.ListFamilies(ctx, store.FamilyFilter{Environment: environment, Subject: u.ID}, "", 2, time.Now())
	if err != nil {
		return err
	}
	if len(list) != want || len(families) != 1 {
		return fmt.Errorf("the store sees %d access tokens and %d authorizations of %s, want %d and 1", len(list), len(families), username, want)
	}
	if _, err := s.SessionByID(ctx, environment, list[0].Session, time.Now()); err != nil {
		return fmt.Errorf("session of %s: %w", username, err)
	}
	var details token.Details
	if err := json.Unmarshal(list[0].Data, &details); err != nil || details.GrantType != oauth.GrantAuthorizationCode {
		return fmt.Errorf("details of a token of %s: grant type %q: %w", username, details.GrantType, err)
	}
	held, err := token.FamilyHeld(families[0])
	if err != nil || held.Authorization.On.Subject != u.ID || held.Authorization.Grant != families[0].ID {
		return fmt.Errorf("the authorization of %s is of %q: %w", username, held.Authorization.On.Subject, err)
	}
	return nil
}

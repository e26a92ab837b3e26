package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const (
	familyColumns = `id, client_id, subject, session, data, created_at, expires_at, ended`

	// An ID or hash that is present fails the statement, and the transaction with
	// it: a token must not join somebody else's family.
	insertFamily = `INSERT INTO families (environment, ` + familyColumns + `, kept_until) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9)`
	insertFirst  = `INSERT INTO refresh_tokens (environment, hash, family, expires_at, sealed) VALUES ($1, $2, $3, $4, $5)`

	familyByToken = `SELECT t.expires_at, t.sealed, t.successor, t.rotated_at,
	f.id, f.client_id, f.subject, f.session, f.data, f.created_at, f.expires_at, f.ended
FROM refresh_tokens t JOIN families f ON f.environment = t.environment AND f.id = t.family
WHERE t.environment = $1 AND t.hash = $2`

	// The exchange is three statements of one transaction. The first lets one
	// caller name the successor. The others do something only for that caller,
	// because they look for its own successor, which nobody else can name.
	//
	// The family is asked about in a subquery that PostgreSQL does not turn into a
	// join: it is looked for by its key, whatever the planner thinks.
	rotateToken = `UPDATE refresh_tokens SET successor = $3, rotated_at = $4
WHERE environment = $1 AND hash = $2 AND successor IS NULL AND expires_at > $4
	AND (SELECT f.ended = 0 AND f.expires_at > $4 FROM families f WHERE f.environment = $1 AND f.id = refresh_tokens.family)`

	insertSuccessor = `INSERT INTO refresh_tokens (environment, hash, family, expires_at, sealed)
SELECT environment, successor, family, $4, $5 FROM refresh_tokens WHERE environment = $1 AND hash = $2 AND successor = $3
ON CONFLICT DO NOTHING`

	keepFamily = `UPDATE families SET kept_until = CASE WHEN expires_at < $4 THEN expires_at ELSE $4 END
WHERE environment = $1 AND id = (SELECT family FROM refresh_tokens WHERE environment = $1 AND hash = $2)
	AND kept_until < $3 AND kept_until < expires_at`

	changeFamily = `UPDATE families SET data = $3
WHERE environment = $1 AND id = (SELECT family FROM refresh_tokens WHERE environment = $1 AND hash = $2)`

	successor = `SELECT expires_at, sealed FROM refresh_tokens WHERE environment = $1 AND hash = $2`

	endFamily = `UPDATE families SET ended = 1 WHERE environment = $1 AND id = $2 AND ended = 0`
)

// familyKey is a column by which families are looked for.
type familyKey struct {
	name, where string
	value       func(store.FamilyFilter) string
}

// familyKeys are the most selective first. Indexes hold families that have not
// ended, which a planner believes only if the text says so.
var familyKeys = []familyKey{
	{"ID", "id = $2", func(f store.FamilyFilter) string { return f.ID }},
	{"Session", "session = $2 AND session <> ''", func(f store.FamilyFilter) string { return f.Session }},
	{"Subject", "subject = $2", func(f store.FamilyFilter) string { return f.Subject }},
	{"Client", "client_id = $2", func(f store.FamilyFilter) string { return f.Client }},
}

// familyTexts are the statements of one of familyKeys.
type familyTexts struct{ list, end string }

func newFamilyTexts(d Dialect) []familyTexts {
	var texts []familyTexts
	for _, key := range familyKeys {
		where := ` FROM families WHERE environment = $1 AND ` + key.where + ` AND ended = 0
	AND ($3 = '' OR client_id = $3) AND ($4 = '' OR subject = $4) AND ($5 = '' OR session = $5)`
		texts = append(texts, familyTexts{
			list: listFamilies(key.where),
			// By ID: a family that an exchange has prolonged meanwhile is in another
			// place. What was picked is locked, and still has not ended.
			end: `UPDATE families SET ended = 1 WHERE environment = $1 AND ` + d.among("id", `SELECT id`+where+` LIMIT $6`+d.ForUpdate) +
				` RETURNING ` + familyColumns,
		})
	}
	return texts
}

// listFamilies selects by one of familyKeys. Of each family the one token that has not been exchanged is the
// newest. CROSS keeps SQLite, which has no statistics, from beginning with the tokens; to PostgreSQL it says nothing.
func listFamilies(where string) string {
	return `SELECT t.expires_at, f.id, f.client_id, f.subject, f.session, f.data, f.created_at, f.expires_at, f.ended
FROM families f CROSS JOIN refresh_tokens t
WHERE f.environment = $1 AND f.` + where + ` AND f.ended = 0 AND f.expires_at > $7 AND f.id > $8
	AND ($3 = '' OR f.client_id = $3) AND ($4 = '' OR f.subject = $4) AND ($5 = '' OR f.session = $5)
	AND t.family = f.id AND t.environment = $1 AND t.successor IS NULL AND t.expires_at > $7
ORDER BY f.id LIMIT $6`
}

// endChunk is how many families one statement ends.
const endChunk = 200

// PutFamily implements store.RefreshTokens.
func (db *DB) PutFamily(ctx context.Context, f store.Family, first store.RefreshToken) error {
	if !identity(f.Environment, f.ID, f.Client, f.Subject, f.Session) {
		return errText("refresh token family")
	}
	kept := min(end(f.ExpiresAt), keptUntil(first, f.CreatedAt))
	statements := []*Statement{
		{Text: insertFamily, Args: []any{
			f.Environment, f.ID, f.Client, f.Subject, f.Session, blob(f.Data), micros(f.CreatedAt), end(f.ExpiresAt), kept,
		}},
		{Text: insertFirst, Args: []any{f.Environment, first.Hash[:], f.ID, micros(first.ExpiresAt), blob(first.Sealed)}},
	}
	err := db.commit(ctx, &write{statements: statements})
	if err != nil && !errors.Is(err, store.ErrExists) {
		return fmt.Errorf("store refresh token family: %w", err)
	}
	return err
}

// keptUntil is how long a family is remembered for the sake of a token made at
// now: a little longer than the token, so that not every exchange has to
// prolong it.
func keptUntil(t store.RefreshToken, now time.Time) int64 {
	return micros(t.ExpiresAt.Add(max(0, t.ExpiresAt.Sub(now)/4)))
}

// member is a refresh token with what the store alone knows of it.
type member struct {
	store.RefreshToken
	family    store.Family
	successor []byte // nil while it has not been exchanged
	rotatedAt time.Time
}

// member reads a token and its family. Where either is unknown or has expired
// it is store.ErrNotFound.
func (db *DB) member(ctx context.Context, environment string, hash store.Hash, now time.Time) (m member, err error) {
	if !identity(environment) {
		return member{}, store.ErrNotFound
	}
	m.Hash, m.family.Environment = hash, environment
	found := false
	err = db.query(ctx, familyByToken, []any{environment, hash[:]}, func(r Row) error {
		found = true
		var expires, rotated int64
		err := scanFamily(r, &m.family, &expires, &m.Sealed, &m.successor, &rotated)
		m.ExpiresAt, m.Sealed, m.rotatedAt = moment(expires), unblob(m.Sealed), moment(rotated)
		return err
	})
	if err != nil {
		return member{}, fmt.Errorf("read refresh token: %w", err)
	}
	if !found || micros(m.ExpiresAt) <= micros(now) || end(m.family.ExpiresAt) <= micros(now) {
		return member{}, store.ErrNotFound
	}
	return m, nil
}

// scanFamily reads columns into before, and then those of a family.
func scanFamily(r Row, f *store.Family, before ...any) error {
	var created, expires, ended int64
	err := r.Scan(append(before, &f.ID, &f.Client, &f.Subject, &f.Session, &f.Data, &created, &expires, &ended)...)
	f.Data, f.CreatedAt, f.ExpiresAt, f.Ended = unblob(f.Data), moment(created), endMoment(expires), ended != 0
	return err
}

// FamilyByToken implements store.RefreshTokens.
func (db *DB) FamilyByToken(ctx context.Context, environment string, hash store.Hash, now time.Time) (f store.Family, t store.RefreshToken, spent bool, err error) {
	m, err := db.member(ctx, environment, hash, now)
	return m.family, m.RefreshToken, m.successor != nil, err
}

// RotateRefreshToken implements store.RefreshTokens.
func (db *DB) RotateRefreshToken(ctx context.Context, environment string, hash store.Hash, next store.RefreshToken, grace time.Duration, protect bool, now time.Time) (store.RefreshToken, bool, error) {
	if !identity(environment) {
		return store.RefreshToken{}, false, store.ErrNotFound
	}
	rotate := &Statement{Text: rotateToken, Args: []any{environment, hash[:], next.Hash[:], micros(now)}}
	w := &write{
		statements: []*Statement{
			rotate,
			{Text: insertSuccessor, Args: []any{environment, hash[:], next.Hash[:], micros(next.ExpiresAt), blob(next.Sealed)}},
			{Text: keepFamily, Args: []any{environment, next.Hash[:], micros(next.ExpiresAt), keptUntil(next, now)}},
		},
		order: "refresh_tokens " + environment + " " + string(hash[:]),
	}
	if next.FamilyData != nil {
		w.statements = append(w.statements, &Statement{Text: changeFamily, Args: []any{environment, next.Hash[:], next.FamilyData}})
	}
	if err := db.commit(ctx, w); err != nil {
		return store.RefreshToken{}, false, fmt.Errorf("rotate refresh token: %w", err)
	}
	if rotate.Affected == 1 {
		next.FamilyData = nil
		return next, false, nil
	}

	// Somebody else has exchanged it, or it is not good. What is read now cannot
	// change any more, except that the family may end.
	m, err := db.member(ctx, environment, hash, now)
	switch {
	case err != nil:
		return store.RefreshToken{}, false, err
	case m.family.Ended || m.successor == nil:
		// Unspent and good it would have been exchanged: it was put since.
		return store.RefreshToken{}, false, store.ErrNotFound
	case grace > 0 && now.Sub(m.rotatedAt) < grace:
		t, err := db.successor(ctx, environment, m)
		return t, false, err
	case !protect:
		return store.RefreshToken{}, false, store.ErrSpent
	}
	end := &Statement{Text: endFamily, Args: []any{environment, m.family.ID}}
	if err := db.commit(ctx, &write{statements: []*Statement{end}, order: "families " + environment + " " + m.family.ID}); err != nil {
		return store.RefreshToken{}, false, fmt.Errorf("end replayed refresh token family: %w", err)
	}
	return store.RefreshToken{}, end.Affected == 1, store.ErrSpent
}

// successor reads the token that m was exchanged for. It may have expired, if it
// was given less time than m.
func (db *DB) successor(ctx context.Context, environment string, m member) (t store.RefreshToken, err error) {
	if err := readHash(m.successor, &t.Hash); err != nil {
		return store.RefreshToken{}, err
	}
	found := false
	err = db.query(ctx, successor, []any{environment, m.successor}, func(r Row) error {
		found = true
		var expires int64
		err := r.Scan(&expires, &t.Sealed)
		t.ExpiresAt, t.Sealed = moment(expires), unblob(t.Sealed)
		return err
	})
	switch {
	case err != nil:
		return store.RefreshToken{}, fmt.Errorf("read successor of refresh token: %w", err)
	case !found:
		return store.RefreshToken{}, store.ErrNotFound
	}
	return t, nil
}

// familySelector chooses the index for f: the place of its text, and the first
// five arguments. ok is false where nothing can match.
func familySelector(f store.FamilyFilter) (text int, args []any, ok bool, err error) {
	text = slices.IndexFunc(familyKeys, func(k familyKey) bool { return k.value(f) != "" })
	if text < 0 {
		return 0, nil, false, errors.New("store: selecting refresh token families needs an ID, client, subject or session")
	}
	args = []any{f.Environment, familyKeys[text].value(f), f.Client, f.Subject, f.Session}
	return text, args, identity(f.Environment, f.ID, f.Client, f.Subject, f.Session), nil
}

// EndFamilies implements store.RefreshTokens. Many families are ended some at a
// time, so that other writers get their turn.
func (db *DB) EndFamilies(ctx context.Context, f store.FamilyFilter) (ended []store.Family, err error) {
	text, args, ok, err := familySelector(f)
	if err != nil || !ok {
		return nil, err
	}
	for {
		var some []store.Family
		s := &Statement{Text: db.text.families[text].end, Args: append(args[:5:5], int64(endChunk)), Row: func(r Row) error {
			f := store.Family{Environment: f.Environment}
			err := scanFamily(r, &f)
			some = append(some, f)
			return err
		}}
		order := "families " + f.Environment + " " + f.ID
		if err := db.commit(ctx, &write{statements: []*Statement{s}, order: order}); err != nil {
			return ended, fmt.Errorf("end refresh token families: %w", err)
		}
		// A batch that was repeated has left the rows of the first attempt before
		// those of the last.
		ended = append(ended, some[len(some)-int(s.Affected):]...)
		if s.Affected < endChunk {
			return ended, nil
		}
	}
}

// ListFamilies implements store.RefreshTokens.
func (db *DB) ListFamilies(ctx context.Context, f store.FamilyFilter, after string, limit int, now time.Time) (list []store.Family, err error) {
	text, args, ok, err := familySelector(f)
	if err != nil || !ok || limit <= 0 || !identity(after) {
		return nil, err
	}
	err = db.query(ctx, db.text.families[text].list, append(args, int64(limit), micros(now), after), func(r Row) error {
		f := store.Family{Environment: f.Environment}
		var expires int64
		err := scanFamily(r, &f, &expires)
		f.TokenExpiresAt = moment(expires)
		list = append(list, f)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list refresh token families: %w", err)
	}
	return list, nil
}

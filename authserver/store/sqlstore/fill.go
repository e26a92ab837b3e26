package sqlstore

import (
	"context"
	"errors"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// fillChunk is how many users are indexed in one transaction.
const fillChunk = 500

const (
	// Users that an earlier release has stored or changed have terms of another
	// version, or none. The order is no other index's: mostly there are none, and a planner that
	// expects many must not look for them among all users.
	usersWithoutTerms = `SELECT environment, ` + userColumns + ` FROM users WHERE terms_of <> version AND (environment, id) > ($1, $2)
ORDER BY environment, id LIMIT $3`

	termsMade = `UPDATE users SET terms_of = version WHERE ` + unchangedUser
)

// fill makes the terms of users that have none. The store serves
// meanwhile; who looks for users waits, see indexed.
func (db *DB) fill() {
	defer db.filling.Done()
	for pause := minBackoff; ; pause = min(2*pause, maxBackoff) {
		err := db.fillOnce(db.ctx)
		if err == nil {
			close(db.filled)
			return
		}
		if db.ctx.Err() != nil {
			return
		}
		db.config.Log.Warn("the index of users cannot be completed, trying again", "database", db.config.Name, "error", err)
		if !sleep(db.ctx, pause) {
			return
		}
	}
}

// fillOnce walks once over the users without terms. A user that is changed
// meanwhile has got terms by that.
func (db *DB) fillOnce(ctx context.Context) error {
	environment, id := "", ""
	for {
		var users []*storedUser
		err := db.query(ctx, usersWithoutTerms, []any{environment, id, int64(fillChunk)}, func(r Row) error {
			u := &storedUser{}
			err := scanUser(r, u, &u.Environment)
			users = append(users, u)
			return err
		})
		if err != nil {
			return err
		}
		if err := db.fillUsers(ctx, users); err != nil {
			return err
		}
		if len(users) < fillChunk {
			return nil
		}
		environment, id = users[len(users)-1].Environment, users[len(users)-1].ID
	}
}

// fillUsers makes the terms of some users in one transaction, or, where one of
// them has changed, one by one.
func (db *DB) fillUsers(ctx context.Context, users []*storedUser) error {
	if len(users) == 0 {
		return nil
	}
	w := &write{order: userOrder(users[0].Environment, users[0].Username)}
	var terms termChanges
	for _, u := range users {
		w.statements = append(w.statements, &Statement{Text: termsMade, Args: u.unchanged(), Require: store.ErrConflict})
		terms.change(u.Environment, u.ID, nil, indexTerms(u.User))
	}
	w.statements = append(w.statements, terms.statements()...)
	err := db.commit(ctx, w)
	if !errors.Is(err, store.ErrConflict) {
		return err
	}
	if len(users) == 1 {
		return nil
	}
	for i := range users {
		if err := db.fillUsers(ctx, users[i:i+1]); err != nil {
			return err
		}
	}
	return nil
}

// indexed waits until every user has terms, but not longer than readyWait.
func (db *DB) indexed(ctx context.Context) error {
	select {
	case <-db.filled:
		return ctx.Err()
	default:
	}
	timer := time.NewTimer(readyWait)
	defer timer.Stop()
	select {
	case <-db.filled:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-db.ctx.Done():
		return unavailable(errClosed)
	case <-timer.C:
		return unavailable(errNotIndexed)
	}
}

package sqlstore

import (
	"context"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Backend is an open and migrated database. Its methods are safe for concurrent
// use. They answer store.ErrUnavailable (wrapped) when the database cannot be
// reached, and the context's error when that has ended.
type Backend interface {
	// Commit runs the statements in order, in one transaction, and returns nil
	// when that is durable. After an error other than store.ErrUnavailable
	// nothing of the batch was kept; after that one, nobody knows.
	Commit(ctx context.Context, batch []*Statement) error

	// Query runs a reading statement and calls row for each of its rows.
	Query(ctx context.Context, text string, args []any, row func(Row) error) error

	// Ping reports whether the database answers.
	Ping(ctx context.Context) error

	// Close ends every connection.
	Close() error
}

// Row is one row of a result.
type Row interface {
	Scan(dest ...any) error
}

// Statement is one change within a batch.
type Statement struct {
	Text string // static: backends prepare each text once
	Args []any
	// Row reads a row that a RETURNING clause gives. When a batch is repeated it
	// is called again: rows of an attempt that failed come before those of the
	// one that counts, which may be fewer, or none.
	Row func(Row) error
	// Affected is the number of rows that the attempt that counts changed, or
	// returned where Row is set. Commit sets it.
	Affected int64
	// Require, where it is not nil, undoes the batch if the statement changes no
	// row: Commit's answer is then a Refusal with this error. Such a statement has
	// no RETURNING clause.
	Require error
}

// Refusal is the error of a batch that was undone because of one statement. What
// came before that one could have been done.
type Refusal struct {
	Statement *Statement
	Err       error
}

func (r *Refusal) Error() string { return r.Err.Error() }
func (r *Refusal) Unwrap() error { return r.Err }

// Dialect is what differs between the databases. It is constant.
type Dialect struct {
	// Writers is how many transactions may commit side by side; at least 1.
	Writers int

	// RowID is a column that says where a row of any table is, by which it is found
	// within the statement that has picked it; empty for the table's key instead.
	RowID string

	// Among is the condition that the value of a column (or of several in
	// brackets) is among the rows of a subquery, in a form that has the subquery
	// run once, first, and each row looked for. Nil for IN.
	Among func(column, subquery string) string

	// Each joins the rows of a subquery, in their order, with those of a table,
	// under an alias, that meet a condition, in a form that has each row's looked
	// for by itself. Nil for CROSS JOIN, where that is what it means.
	Each func(table, alias, condition string) string

	// SkipLocked ends a subquery that picks rows to delete, so that two sweepers
	// do not wait for each other; empty where there is one writer.
	SkipLocked string

	// ForUpdate ends a subquery that picks rows to change which another
	// transaction may be changing: it waits for them and looks again; empty where
	// there is one writer.
	ForUpdate string

	// ExpiringTokens is the table from which expired access tokens are deleted
	// row by row.
	ExpiringTokens string

	// NotifyRevocation tells the other nodes of the revocation that was just
	// written in the same transaction, $1 environment, $2 kind, $3 value; empty
	// where there are no other nodes.
	NotifyRevocation string
}

func (d Dialect) among(column, subquery string) string {
	if d.Among == nil {
		return column + " IN (" + subquery + ")"
	}
	return d.Among(column, subquery)
}

func (d Dialect) each(table, alias, condition string) string {
	if d.Each == nil {
		return "CROSS JOIN " + table + " AS " + alias + " ON " + condition
	}
	return d.Each(table, alias, condition)
}

// pick is the condition that a row is among at most the limit that come first in
// the order of a column, and that meet a condition on it. key is the table's.
func (d Dialect) pick(table, key, where, order, limit string) string {
	columns, row := key, "("+key+")"
	if d.RowID != "" {
		columns, row = d.RowID, d.RowID
	}
	return d.among(row, "SELECT "+columns+" FROM "+table+" WHERE "+where+" ORDER BY "+order+" LIMIT "+limit+d.SkipLocked)
}

// Feed is implemented by a Backend that several nodes share.
type Feed interface {
	// Listen subscribes to the revocations of all nodes. Once every later
	// commit is sure to be noticed it calls subscribed, then received for each;
	// it returns when that certainty is lost, when a function returns an error,
	// or when ctx ends.
	Listen(ctx context.Context, subscribed func() error, received func(Notice) error) error
}

// Notice is one message of a Feed: a revocation, or, if Reload is set, that some
// were made that did not fit.
type Notice struct {
	Revocation store.Revocation
	Reload     bool
}

// Partitioned is implemented by a Backend that keeps access tokens in
// partitions by expiry.
type Partitioned interface {
	// SweepPartitions drops partitions whose every token expired before now,
	// makes those needed next, and says about how many tokens went. It gives
	// way to writers: what it cannot lock at once is left for the next call.
	SweepPartitions(ctx context.Context, now time.Time) (deleted int, err error)
}

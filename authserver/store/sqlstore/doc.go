// Package sqlstore keeps the promises of package store in SQL. It holds one
// file per record, and one text of each statement for every database: what
// differs is a field of Dialect, or a method of Backend, which the packages
// sqlite and postgres supply.
//
// It owns three things that no backend should write twice:
//
//   - opening in the background (db.go): a database that is down at start does
//     not keep the server from starting, and calls wait for it, bounded;
//   - group commit (commit.go): everything waiting is committed in one
//     transaction, so that one disk sync serves many callers;
//   - the revocation feed (watch.go): a revocation reaches the watchers of its
//     own process before PutRevocation returns.
//
// Who wins where many want the same is decided by one conditional statement; what
// the others are told is read afterwards, from what cannot change any more. So no
// act needs a second look inside its transaction, and all can share one. Where
// several statements must all do something or none (apply.go), one that does
// nothing undoes the whole transaction (Statement.Require), and those who share it are
// tried again without.
//
// Stored users are found by their terms, folded values of what they are called
// (user_term.go), in one table for all attributes: a page of any filter is a piece of one
// index. The terms of a user change in the transaction that changes the user.
// Those of users from before that table are made in the background (fill.go).
//
// Times are columns of whole seconds since 1970 in the tables of the first
// migration, and of microseconds in later ones (values.go). Strings that identify records
// are limited to 512 bytes of UTF-8 without NUL (text.go), what every index and
// notification can hold; looking for anything else finds nothing.
//
// Start reading at DB.
package sqlstore

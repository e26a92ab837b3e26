// Package postgres keeps the records of package store in PostgreSQL 14 or later
// (or a service that speaks it), for many nodes on one database.
//
//   - Writes are committed in groups: everything that waits on this node goes to
//     the server in one round trip and one transaction (backend.go).
//   - A revocation is announced by NOTIFY in the transaction that stores it; each
//     node listens on a connection of its own, asks it every few seconds
//     whether it is still alive, and reads everything again when it was not (listen.go).
//   - Access tokens are partitioned by the day they expire. Whole days are dropped,
//     and those to come made ahead; a token that fits none goes to a default
//     partition, so that storing never depends on that (partition.go).
//
// Nodes may start, migrate and sweep at the same time. LISTEN needs a session:
// behind a pooler the DSN must lead to its session mode, or to the server itself.
// synchronous_commit is turned on where the server's default is off.
//
// The package owns connections, settings, migrations, partitions and the feed;
// statements and the queue in front of group commit are sqlstore's.
//
// Start reading at New.
package postgres

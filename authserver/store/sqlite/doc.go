// Package sqlite keeps the records of package store in one SQLite file, with no
// cgo. It is the default: nothing to install, and fast enough for one node.
//
// The file is in WAL mode with synchronous=FULL: a commit is on disk when it
// returns. One goroutine writes, everything that waits in one transaction; any
// number read meanwhile. The package owns opening, settings and migrations;
// statements and group commit are sqlstore's.
//
// The file belongs to one process at a time, because revocations are announced
// in memory. A second process waits, unavailable, until the first lets go; the
// lock is on <path>.lock, so that backup tools may read the database itself.
// Several nodes share PostgreSQL instead. The lock is not taken on systems
// without flock.
//
// The file is created with mode 0600, a missing folder with 0700.
//
// Start reading at New.
package sqlite

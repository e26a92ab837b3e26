// Package pgtest gives tests a real PostgreSQL.
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }
//
//	func TestX(t *testing.T) { dsn := pgtest.Database(t); … }
//
// Database makes an empty database on a server that the tests of one process
// share: started on first use, on a free port of 127.0.0.1, in a temporary
// folder, and stopped by Main. It does not wait for the disk, since it outlives
// the tests. New gives a test a server of its own, to start, kill and start
// again: that one has PostgreSQL's default settings, and is what durability is
// to be tested and speed to be measured on. Open gives the same to the benchmarks,
// which are a program of their own.
//
// Servers need the programs of a PostgreSQL installation (in PATH or below
// /usr/lib/postgresql), and run as user postgres when the tests run as root,
// which PostgreSQL does not.
//
// Environment:
//
//	GATEHOUSE_TEST_POSTGRES     DSN of a server to use instead for Database; the user
//	                            must be allowed to create databases
//	GATEHOUSE_REQUIRE_POSTGRES  fail where PostgreSQL is missing; so does CI.
//	                            Otherwise such tests are skipped
//
// It depends on nothing but the standard library, and only tests and benchmarks import it.
package pgtest

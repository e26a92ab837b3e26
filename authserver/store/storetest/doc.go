// Package storetest is the contract of package store as tests. A backend proves
// itself with
//
//	storetest.Run(t, func(t *testing.T) store.Store { … })
//
// where the function gives a new, empty store, closed at the test's end by the
// function's own Cleanup. A backend that several nodes share passes RunShared
// as well, and one that keeps files or a server Crash. BenchmarkPutAccessToken
// and BenchmarkAccessTokenByID measure it.
//
// Every promise of a comment in store has its test here, contention included.
// Nothing here knows SQL.
package storetest

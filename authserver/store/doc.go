// Package store says what the authorization server remembers: the records, and
// one small interface per record whose methods are the protocol's atomic acts.
// Every promise made in a comment here is kept by the tests in storetest, which
// each backend runs.
//
// The store has no clock (callers say now) and sees no secret: signing keys and
// client secrets arrive sealed, codes and assertions as hashes.
//
// Start reading at Store.
package store

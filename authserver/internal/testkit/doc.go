// Package testkit is what tests of this module share: a clock that stands still,
// a store on a temporary file, keys everyone knows, a log to read, and golden files. Only tests
// import it.
package testkit

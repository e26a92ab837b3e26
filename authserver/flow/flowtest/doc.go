// Package flowtest is a whole sign-on for tests: a flow engine on the embedded
// store, with people, clients and browsers, and a clock that stands still.
//
// It is for the tests of flow and of what is built on it. Start reading at New.
package flowtest

// Package integration starts the real Caddy binary and looks at it from outside,
// over HTTP and raw sockets. It imports nothing of this module but pgtest and ports: what
// it knows of the product is what a user knows, the Caddyfile and the wire.
//
// One file is one journey. The harness (main_test.go, node_test.go) builds the
// binary once, runs it with a generated Caddyfile on free ports, restarts or
// kills it, and at the end of every test searches logs, metrics and the data
// directory for the secrets and tokens that the test used.
//
// Where people sign in they do so with Chromium (browser_test.go), which chromedp drives. What it
// complains about, a broken Content-Security-Policy above all, fails the test. Without Chromium such tests are
// skipped, and fail where CI is set.
//
//	GATEHOUSE_RACE=-race   build the binary with these flags; go test -race does so too
//	GATEHOUSE_CADDY=path   use this binary instead of building one
//
// clients/ holds npm packages and the scripts that use them: clients_npm_test.go installs the ones
// and has the others run.
//
// Start reading at journey_test.go.
package integration

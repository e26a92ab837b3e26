package directory_test

import (
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
)

// TestShortSecretDoesNotSign: one that was brought along for passwords is not made a
// key by another method (RFC 7518 §3.2).
func TestShortSecretDoesNotSign(t *testing.T) {
	k := newAppKit(t)
	it := k.application(webApp("clientId", "imported-1", "clientSecret", "12345678"))
	signing := webApp("tokenEndpointAuthMethod", "CLIENT_SECRET_JWT")
	if _, err := k.replace(it, new(directory.Application), signing); appProblem(err) != "CONSTRAINT_VIOLATION tokenEndpointAuthMethod" {
		t.Errorf("got %q, want CONSTRAINT_VIOLATION", appProblem(err))
	}
	if _, err := k.rotate(it.ID, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := k.replace(it, new(directory.Application), signing); err != nil {
		t.Errorf("with a new secret: %v", err)
	}
}

package integration_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	sdk "github.com/patrickcping/pingone-go-sdk-v2/management"
)

// The administrator of the tests: every role that a tenant's own automation has.
const (
	sdkAdmin       = "0b7d3c52-9c1f-4f5e-8a44-6a1c2e9d7f10"
	sdkAdminSecret = "sdk-admin-secret-3JpX7vQm"
)

const sdkEnv = `
			application ` + sdkAdmin + ` {
				name "SDK administrator"
				type worker
				secret ` + sdkAdminSecret + `
				role "Organization Admin" "Environment Admin" "Identity Data Admin"
			}`

// manager is PingOne's own Go client, over plain HTTP, as an administrator.
type manager struct {
	*sdk.APIClient
	node *node
	ctx  context.Context
}

func manage(t testing.TB, n *node) *manager {
	t.Helper()
	return &manager{manageAs(t, n, sdkAdmin, sdkAdminSecret), n, t.Context()}
}

// manageAs is the client as any worker of the main environment.
func manageAs(t testing.TB, n *node, id, secret string) *sdk.APIClient {
	t.Helper()
	c := sdk.NewConfiguration()
	c.SetDefaultServerIndex(1)
	for name, value := range map[string]string{"protocol": "http", "baseHostname": strings.TrimPrefix(n.url("as"), "http://")} {
		if err := c.SetDefaultServerVariableDefaultValue(name, value); err != nil {
			t.Fatal(err)
		}
	}
	c.AddDefaultHeader("Authorization", "Bearer "+n.workerToken(t, mainEnv, id, secret, ""))
	return sdk.NewAPIClient(c)
}

// workerToken is a client-credentials token; a test ends without one.
func (n *node) workerToken(t testing.TB, env, id, secret, scope string) string {
	t.Helper()
	return n.tokenFrom(t, n.tryWorker(t, env, id, secret, scope))
}

func (n *node) tryWorker(t testing.TB, env, id, secret, scope string) answer {
	t.Helper()
	fields := []string{"grant_type", "client_credentials"}
	if scope != "" {
		fields = append(fields, "scope", scope)
	}
	return n.formAt(t, n.url("as")+"/"+env+"/as/token", func(r *http.Request) { r.SetBasicAuth(id, secret) }, fields...)
}

// done ends the test where a call of the SDK failed, with the server's own words.
func done[T any](t testing.TB, what string) func(v T, r *http.Response, err error) T {
	return func(v T, r *http.Response, err error) T {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v%s", what, err, said(err))
		}
		return v
	}
}

// gone ends the test where a deletion failed.
func gone(t testing.TB, what string) func(r *http.Response, err error) {
	return func(r *http.Response, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("delete %s: %v%s", what, err, said(err))
		}
		if r.StatusCode != http.StatusNoContent {
			t.Errorf("delete %s: status %d, want 204", what, r.StatusCode)
		}
	}
}

// missing ends the test unless a read says 404.
func missing[T any](t testing.TB, what string) func(v T, r *http.Response, err error) {
	return func(_ T, r *http.Response, err error) {
		t.Helper()
		if err == nil || r == nil || r.StatusCode != http.StatusNotFound {
			t.Fatalf("%s is still there (%v)", what, err)
		}
	}
}

func said(err error) string {
	if e, ok := err.(interface{ Body() []byte }); ok {
		return "\n" + string(e.Body())
	}
	return ""
}

// every collects a collection over all its pages.
func every[T any](t testing.TB, pages sdk.EntityArrayPagedIterator, of func(sdk.EntityArrayEmbedded) []T) (all []T, count int) {
	t.Helper()
	for page, err := range pages {
		if err != nil {
			t.Fatalf("page %d: %v%s", count+1, err, said(err))
		}
		if embedded, ok := page.EntityArray.GetEmbeddedOk(); ok {
			all = append(all, of(*embedded)...)
		}
		count++
	}
	return all, count
}

func ptr[T any](v T) *T { return &v }

func (n *node) visit(t testing.TB, target string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	return n.do(t, req)
}

package mcp_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/mcp"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// rules have a tool for readers, one for writers, one that is for everybody, and none else.
func rules() *mcp.Rules {
	return &mcp.Rules{
		Tools:   map[string][]string{"list": {"read"}, "delete": {"read", "write"}, "ping": nil},
		Methods: map[string][]string{"resources/read": {"read"}},
	}
}

// post is a request with a body.
func post(body string) *http.Request {
	req := httptest.NewRequest(http.MethodPost, "/mcp", strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	return req
}

// status is what is answered to err; 0 for nothing.
func status(t testing.TB, err error) int {
	t.Helper()
	if err == nil {
		return 0
	}
	e, ok := errors.AsType[*oauth.Error](err)
	if !ok {
		t.Fatalf("error %v is no *oauth.Error", err)
	}
	return e.Status
}

// calls is a call of a tool.
func calls(tool string) string {
	return `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"` + tool + `","arguments":{"a":[1,{"b":null}]}}}`
}

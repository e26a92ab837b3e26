package caddymodule_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestShadowTools: in shadow mode calls go on as they came; a body of which a part was read and thrown away cannot.
func TestShadowTools(t *testing.T) {
	var body string
	base := answering(t, "bearer_auth {"+trusted+"shadow\nmcp {\ntool known a\nmax_body 1KiB\n}\n}", func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if body = string(b); err != nil {
			body = err.Error()
		}
	})
	token := mint(t, map[string]any{"scope": "a"})
	long := call(strings.Repeat("x", 2000))
	for name, sent := range map[string]string{"allowed": call("known"), "forbidden": call("unknown"), "not JSON": "{", "too long, and said so": long} {
		if got := message(t, base, token, sent); got.Status != 200 || body != sent {
			t.Errorf("%s: status = %d, %d bytes at the upstream, want 200 and %d", name, got.Status, len(body), len(sent))
		}
	}
	body = ""
	chunked := fmt.Sprintf("POST /mcp HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\nAuthorization: Bearer %s\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", token, len(long), long)
	if got := answerOf(t, raw(t, base, chunked)); got.Status != 413 || body != "" {
		t.Errorf("too long, in chunks: status = %d, %d bytes at the upstream, want 413 and none", got.Status, len(body))
	}
	// Nothing is read for a token that is not good.
	if got := message(t, base, "garbage", long); got.Status != 200 || body != long {
		t.Errorf("bad token: status = %d, %d bytes at the upstream", got.Status, len(body))
	}
}

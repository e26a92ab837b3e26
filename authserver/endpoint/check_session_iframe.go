package endpoint

import (
	"crypto/sha256"
	_ "embed" // the script
	"encoding/base64"
	"net/http"
	"strconv"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// checkSessionScript looks at the cookie ST-S and answers the frames of clients.
// It is plain old JavaScript without promises: it has to run wherever a client
// embeds it, and crypto.subtle is missing below a parent that came by plain http.
//
//go:embed check_session_iframe.js
var checkSessionScript string

// CheckSessionIframe is the page that clients embed to learn whether the session
// is still the one they know (OIDC Session Management §3.2). It is the same for
// everyone, asks the network for nothing, and is the one page that may be framed
// by anybody: it shows nothing, and takes no input but session_state.
type CheckSessionIframe struct{}

var (
	checkSessionPage = []byte("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Session</title></head><body><script>" +
		checkSessionScript + "</script></body></html>\n")
	checkSessionPolicy = func() string {
		sum := sha256.Sum256([]byte(checkSessionScript))
		return "default-src 'none'; base-uri 'none'; form-action 'none'; script-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}()
)

// Serve answers with the page.
func (CheckSessionIframe) Serve(w http.ResponseWriter, r *http.Request, _ *store.Environment) error {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(checkSessionPage)))
	h.Set("Content-Security-Policy", checkSessionPolicy)
	h.Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(checkSessionPage)
	}
	return nil
}

package web_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// TestErrorsAreWrittenAndLoggedOnce: the client sees the error, the log has the
// cause, and each exactly once.
func TestErrorsAreWrittenAndLoggedOnce(t *testing.T) {
	tests := []struct {
		name   string
		err    error
		status int
		level  string
		body   string
		header map[string]string
	}{
		{
			"client's fault", oauth.InvalidScope("x").WithCause(errors.New("the cause")), 400, "INFO", `"invalid_scope"`,
			map[string]string{"Cache-Control": "no-cache, no-store"},
		},
		{"ours", errors.New("the cause"), 500, "ERROR", `"server_error"`, nil},
		{
			"unavailable", oauth.Unavailable(3, "x").WithCause(errors.New("the cause")), 503, "ERROR", `"temporarily_unavailable"`,
			map[string]string{"Retry-After": "3"},
		},
		{
			"with a challenge", &oauth.Error{
				Code: "invalid_client", Status: 401, Cause: errors.New("the cause"),
				Challenges: []oauth.Challenge{{Scheme: "Basic", Params: []oauth.Param{{Name: "realm", Value: "r"}}}},
			}, 401, "INFO", `"invalid_client"`, map[string]string{"WWW-Authenticate": `Basic realm="r"`},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var logged bytes.Buffer
			var told []string
			h := &web.Host{
				Log: slog.New(slog.NewTextHandler(&logged, nil)), NewID: func() string { return "the-id" },
				Served: func(route, outcome string, _ time.Duration) { told = append(told, route+" "+outcome) },
				Now:    time.Now,
			}
			w := httptest.NewRecorder()
			rt := &web.Route{Name: "route", Methods: []string{"GET"}, CacheControl: "public"}
			web.Handle(h, rt, w, httptest.NewRequest("GET", "/", nil), func(http.ResponseWriter, *http.Request) error { return tt.err })
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.body) || !strings.Contains(w.Body.String(), "the-id") {
				t.Errorf("answer = %d %s", w.Code, w.Body)
			}
			if strings.Contains(w.Body.String(), "the cause") {
				t.Error("the client sees the cause")
			}
			for name, want := range tt.header {
				if got := w.Header().Get(name); got != want {
					t.Errorf("%s = %q, want %q", name, got, want)
				}
			}
			if lines := strings.Count(logged.String(), "\n"); lines != 1 {
				t.Errorf("%d log lines:\n%s", lines, &logged)
			}
			for _, want := range []string{"level=" + tt.level, "the cause", "the-id"} {
				if !strings.Contains(logged.String(), want) {
					t.Errorf("the log lacks %q: %s", want, &logged)
				}
			}
			if len(told) != 1 || !strings.HasPrefix(told[0], "route ") {
				t.Errorf("told %q", told)
			}
		})
	}
}

package oauth_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

func TestParseScope(t *testing.T) {
	tests := []struct {
		name, in string
		want     []string
		bad      bool
	}{
		{"empty is no scope", "", nil, false},
		{"one", "read", []string{"read"}, false},
		{"several keep their order", "write read", []string{"write", "read"}, false},
		{"a repetition counts once", "read read", []string{"read"}, false},
		{"punctuation is part of a member", "read,write a:b/c", []string{"read,write", "a:b/c"}, false},
		{"two spaces", "read  write", nil, true},
		{"leading space", " read", nil, true},
		{"trailing space", "read ", nil, true},
		{"tab does not separate", "read\twrite", nil, true},
		{"no-break space does not separate", "read\u00a0write", nil, true},
		{"quotation mark", `re"ad`, nil, true},
		{"backslash", `re\ad`, nil, true},
		{"control character", "re\x01ad", nil, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := oauth.ParseScope(tt.in)
			if (err != nil) != tt.bad {
				t.Fatalf("error = %v, want one: %v", err, tt.bad)
			}
			if err != nil {
				if code := oauth.From(err).Code; code != oauth.CodeInvalidScope {
					t.Errorf("error code = %q, want invalid_scope", code)
				}
				return
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("members (-want +got):\n%s", diff)
			}
		})
	}
}

func TestChallengeString(t *testing.T) {
	tests := []struct {
		name string
		in   oauth.Challenge
		want string
	}{
		{"scheme alone", oauth.Challenge{Scheme: "Bearer"}, `Bearer`},
		{"parameters in order", oauth.Challenge{Scheme: "Bearer", Params: []oauth.Param{{"realm", "api"}, {"error", "invalid_token"}}},
			`Bearer realm="api", error="invalid_token"`},
		{"nothing ends the quoted string early", oauth.Challenge{Scheme: "Bearer", Params: []oauth.Param{{"realm", `a"b\c`}}},
			`Bearer realm="a'b'c"`},
		{"no header can be injected", oauth.Challenge{Scheme: "Bearer", Params: []oauth.Param{{"realm", "a\r\nX: y\u00e9"}}},
			`Bearer realm="a  X: y  "`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.in.String(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestFrom(t *testing.T) {
	wrapped := fmt.Errorf("token endpoint: %w", oauth.InvalidScope("no such scope"))
	if got := oauth.From(wrapped); got.Code != oauth.CodeInvalidScope || got.Status != http.StatusBadRequest {
		t.Errorf("wrapped error: got %q %d, want invalid_scope 400", got.Code, got.Status)
	}

	fault := errors.New("disk on fire")
	got := oauth.From(fault)
	if got.Code != oauth.CodeServerError || got.Status != http.StatusInternalServerError {
		t.Errorf("unknown error: got %q %d, want server_error 500", got.Code, got.Status)
	}
	if !errors.Is(got, fault) {
		t.Error("the cause is lost")
	}
}

func TestWithCauseLeavesTheOriginal(t *testing.T) {
	base := oauth.InvalidClient("Unsupported authentication method")
	if withCause := base.WithCause(errors.New("wrong secret")); withCause.Cause == nil || base.Cause != nil {
		t.Errorf("causes = %v and %v, want one on the copy alone", withCause.Cause, base.Cause)
	}
}

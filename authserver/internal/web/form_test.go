package web_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

func read(query, body string) (*web.Form, error) {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.URL.RawQuery = query
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return web.ReadForm(r)
}

func TestForm(t *testing.T) {
	f, err := read("x=1", "a=1&b=&resource=r1&resource=r2&c+d=%26+%2b&=z&e")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"a": "1", "b": "", "x": "", "c d": "& +", "resource": "r1", "e": ""} {
		if got := f.Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if got := f.All("resource"); len(got) != 2 || got[1] != "r2" {
		t.Errorf("resource = %q", got)
	}
	if v, err := f.Require("a"); v != "1" || err != nil {
		t.Errorf("Require(a) = %q, %v", v, err)
	}
	if _, err := f.Require("b"); oauth.From(err).Code != oauth.CodeInvalidRequest {
		t.Errorf("Require of an empty parameter: %v", err)
	}
}

func TestCredentialsInTheQuery(t *testing.T) {
	tests := []struct {
		query string
		ok    bool
	}{
		{"", true},
		{"x=1&tokens=2", true},
		{"token=", false},
		{"a=b&client_secret=x", false},
		{"%74oken=x", false},
		{"TOKEN=x", false},
		{"access_token", false},
		{"%zz=1", true},
	}
	for _, tt := range tests {
		if _, err := read(tt.query, ""); (err == nil) != tt.ok {
			t.Errorf("query %q: %v", tt.query, err)
		}
	}
}

// FuzzForm: nothing panics, and what is accepted is what net/url reads too.
func FuzzForm(f *testing.F) {
	f.Add("", "a=1&b=2")
	f.Add("token=x", "grant_type=client_credentials&scope=a+b")
	f.Add("x", "a=%41&a=%zz&&=&;")
	f.Add("", "resource=1&resource=2")
	f.Fuzz(func(t *testing.T, query, body string) {
		form, err := read(query, body)
		if err != nil {
			if e := oauth.From(err); e.Code != oauth.CodeInvalidRequest || e.Status >= 500 {
				t.Fatalf("error = %v", err)
			}
			return
		}
		// net/url takes a semicolon for a mistake; to us it is a character.
		want, err := url.ParseQuery(strings.ReplaceAll(body, ";", "%3B"))
		if err != nil {
			t.Fatalf("net/url refuses %q: %v", body, err)
		}
		for name, values := range want {
			if got := form.Get(name); got != values[0] {
				t.Errorf("%q = %q, net/url reads %q", name, got, values[0])
			}
			if len(values) > 1 && name != "resource" && name != "audience" {
				t.Errorf("%q occurs %d times and was accepted", name, len(values))
			}
		}
	})
}

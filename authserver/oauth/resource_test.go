package oauth_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

func TestParseResources(t *testing.T) {
	long := "https://a.example/" + strings.Repeat("x", oauth.MaxResource)
	var many []string
	for c := 'a'; len(many) <= oauth.MaxResources; c++ {
		many = append(many, "https://"+string(c)+".example")
	}
	tests := []struct {
		name   string
		values []string
		want   []string // nil with refused
		bad    bool
	}{
		{"none", nil, nil, false},
		{"one", []string{"https://a.example"}, []string{"https://a.example"}, false},
		{"a slash at the end makes another one", []string{"https://a.example", "https://a.example/"}, []string{"https://a.example", "https://a.example/"}, false},
		{"a query", []string{"https://a.example/x?tenant=1"}, []string{"https://a.example/x?tenant=1"}, false},
		{"a port and a path", []string{"http://localhost:8081/mcp"}, []string{"http://localhost:8081/mcp"}, false},
		{"a name", []string{"urn:example:api"}, []string{"urn:example:api"}, false},
		{"one twice", []string{"https://a.example", "https://b.example", "https://a.example"}, []string{"https://a.example", "https://b.example"}, false},
		{"as many as may be", many[:oauth.MaxResources], many[:oauth.MaxResources], false},
		{"one too many", many, nil, true},
		{"the longest", []string{long[:oauth.MaxResource]}, []string{long[:oauth.MaxResource]}, false},
		{"too long", []string{long[:oauth.MaxResource+1]}, nil, true},
		{"a fragment", []string{"https://a.example/#x"}, nil, true},
		{"an empty fragment", []string{"https://a.example/#"}, nil, true},
		{"no scheme", []string{"a.example"}, nil, true},
		{"a reference without scheme", []string{"//a.example/x"}, nil, true},
		{"a path", []string{"/orders"}, nil, true},
		{"no host", []string{"https:///x"}, nil, true},
		{"a scheme alone", []string{"https:"}, nil, true},
		{"user information", []string{"https://u:p@a.example/"}, nil, true},
		{"a blank", []string{"https://a.example/a b"}, nil, true},
		{"a line end", []string{"https://a.example/\n"}, nil, true},
		{"beyond ASCII", []string{"https://ä.example/"}, nil, true},
		{"markup", []string{"https://a.example/<b>"}, nil, true},
		{"one good, one bad", []string{"https://a.example", "x"}, nil, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := oauth.ParseResources(tt.values)
			if (err != nil) != tt.bad || err != nil && oauth.From(err).Code != oauth.CodeInvalidTarget {
				t.Fatalf("error = %v, want invalid_target: %t", err, tt.bad)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("resources = %q, want %q", got, tt.want)
			}
		})
	}
}

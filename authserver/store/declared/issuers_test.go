package declared_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

func TestIssuers(t *testing.T) {
	const (
		own, domain = "https://auth.example.com/" + id + "/as", "https://login.example.com/as"
		alpha, beta = "https://am.example.com/am/oauth2/realms/root/realms/alpha", "https://am.example.com/am/oauth2/realms/root/realms/beta"
	)
	c := good()
	e := &c.Environments[0]
	e.Domains, e.Issuers = []string{"login.example.com"}, []string{alpha, beta}
	d, err := declared.New(c)
	if err != nil {
		t.Fatal(err)
	}
	env, err := d.EnvironmentByID(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{own, domain, alpha, beta}, env.AllIssuers); diff != "" {
		t.Errorf("issuers (-want +got):\n%s", diff)
	}
	seen, err := d.EnvironmentByHost(t.Context(), "login.example.com")
	if err != nil || !cmp.Equal(seen.AllIssuers, env.AllIssuers) {
		t.Errorf("through its domain: issuers = %v, %v, want the same", seen, err)
	}
	e.Domains = nil
	if d, err = declared.New(c); err != nil {
		t.Fatal(err)
	}
	if env, _ := d.EnvironmentByID(t.Context(), id); !cmp.Equal(env.AllIssuers, []string{own, alpha, beta}) {
		t.Errorf("issuers without a domain = %v, want its own first", env.AllIssuers)
	}
}

// An issuer speaks for one environment.
func TestIssuersOfTwoEnvironments(t *testing.T) {
	const (
		otherID = "5f0c9f3a-6c1e-4c55-9a3b-2d7f8e1b4a61"
		other   = "https://auth.example.com/" + otherID + "/as"
		realm   = "https://am.example.com/am/oauth2"
	)
	for _, tt := range []struct {
		name     string
		ofDemo   []string
		ofOther  []string
		domain   string
		conflict bool
	}{
		{"each has one", []string{realm}, []string{realm + "/realms/root/realms/beta"}, "", false},
		{"both have one", []string{realm}, []string{realm}, "", true},
		{"the domain's of another", []string{"https://login.example.com/as"}, nil, "login.example.com", true},
		{"a domain beside it", []string{"https://login.example.com/am/oauth2"}, nil, "login.example.com", false},
		{"the own one of another", []string{other}, nil, "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := good()
			c.Environments[0].Issuers = tt.ofDemo
			second := declared.Environment{Name: "second", ID: otherID, Issuer: other, Issuers: tt.ofOther}
			if tt.domain != "" {
				second.Domains = []string{tt.domain}
			}
			for range 2 { // in either order
				c.Environments = []declared.Environment{second, c.Environments[0]}
				_, err := declared.New(c)
				if got := err != nil && strings.Contains(err.Error(), "issuer"); got != tt.conflict || err != nil && !tt.conflict {
					t.Errorf("error = %v, want one: %v", err, tt.conflict)
				}
				second = c.Environments[1]
				c.Environments = c.Environments[:1]
			}
		})
	}
}

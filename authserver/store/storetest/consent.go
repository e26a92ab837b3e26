package storetest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

var consentTests = []namedTest{
	{"a consent is found by person and client, and replaced", consentReplace},
	{"a withdrawn consent is gone", consentDelete},
	{"a person's consents, by client", consentList},
	{"of concurrent puts one stays whole", func(t *testing.T, s store.Store) { consentContention(t, s, s) }},
}

func consent(client string, scopes ...string) store.ConsentRecord {
	return store.ConsentRecord{Environment: env1, Subject: "alice", Client: client, Scopes: scopes, UpdatedAt: Now}
}

func putConsent(t *testing.T, s store.Store, consents ...store.ConsentRecord) {
	t.Helper()
	for _, c := range consents {
		if err := s.PutConsent(testContext(t), c); err != nil {
			t.Fatalf("PutConsent(%s, %s) = %v", c.Subject, c.Client, err)
		}
	}
}

func consentReplace(t *testing.T, s store.Store) {
	ctx := testContext(t)
	for i, want := range []store.ConsentRecord{
		consent("web", "email", "openid"), consent("web", "openid"), consent("web"), consent("web", `"quoted"`, "ünï", strings.Repeat("long", 1000)),
	} {
		want.UpdatedAt = Now.Add(-time.Duration(i) * time.Microsecond) // the last to come counts, whatever it says
		putConsent(t, s, want)
		got, err := s.ConsentTo(ctx, env1, "alice", "web")
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("ConsentTo: %v (-want +got):\n%s", err, diff)
		}
	}
	for _, tt := range []struct{ name, environment, subject, client string }{
		{"another environment", env2, "alice", "web"},
		{"another person", env1, "bob", "web"},
		{"another client", env1, "alice", "app"},
		{"a client that cannot be", env1, "alice", "\xff"},
	} {
		if _, err := s.ConsentTo(ctx, tt.environment, tt.subject, tt.client); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: ConsentTo = %v, want ErrNotFound", tt.name, err)
		}
	}
	for name, c := range map[string]store.ConsentRecord{
		"a scope with NUL":            consent("app", "a\x00"),
		"a client that is not UTF-8":  consent("\xff"),
		"a client_id of 513 bytes":    consent(strings.Repeat("c", 513)),
		"a subject that is too long":  {Environment: env1, Subject: strings.Repeat("s", 513), Client: "app"},
		"an environment that is none": {Environment: "\x00", Subject: "alice", Client: "app"},
	} {
		if err := s.PutConsent(ctx, c); err == nil {
			t.Errorf("PutConsent with %s = nil, want an error", name)
		}
	}
}

func consentDelete(t *testing.T, s store.Store) {
	ctx := testContext(t)
	elsewhere := consent("web", "openid")
	elsewhere.Environment = env2
	putConsent(t, s, consent("web", "openid"), consent("app", "openid"), elsewhere)
	for _, want := range []error{nil, store.ErrNotFound} {
		if err := s.DeleteConsent(ctx, env1, "alice", "web"); !errors.Is(err, want) {
			t.Errorf("DeleteConsent = %v, want %v", err, want)
		}
		if _, err := s.ConsentTo(ctx, env1, "alice", "web"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("ConsentTo = %v, want ErrNotFound", err)
		}
	}
	for _, c := range []store.ConsentRecord{consent("app"), elsewhere} {
		if _, err := s.ConsentTo(ctx, c.Environment, "alice", c.Client); err != nil {
			t.Errorf("ConsentTo of another one = %v, want nil", err)
		}
	}
	putConsent(t, s, consent("web", "email"))
}

func consentList(t *testing.T, s store.Store) {
	ctx := testContext(t)
	bob, elsewhere := consent("x"), consent("y")
	bob.Subject, elsewhere.Environment = "bob", env2
	putConsent(t, s, consent("b", "openid"), consent("a"), consent("C"), bob, elsewhere)
	for _, tt := range []struct {
		environment, subject string
		limit                int
		want                 string
	}{
		{env1, "alice", 10, "[C a b]"},
		{env1, "alice", 2, "[C a]"},
		{env1, "alice", 0, "[]"},
		{env1, "bob", 10, "[x]"},
		{env2, "alice", 10, "[y]"},
		{env1, "carol", 10, "[]"},
		{env1, "\x00", 10, "[]"},
	} {
		list, err := s.ListConsents(ctx, tt.environment, tt.subject, tt.limit)
		var clients []string
		for _, c := range list {
			clients = append(clients, c.Client)
		}
		if got := fmt.Sprint(clients); got != tt.want || err != nil {
			t.Errorf("ListConsents(%s, %q, %d) = %s, %v, want %s", tt.environment, tt.subject, tt.limit, got, err, tt.want)
		}
	}
}

func consentContention(t *testing.T, a, b store.Store) {
	ctx := testContext(t)
	for _, err := range race(50, func(i int) error {
		n := fmt.Sprint(i)
		return either(a, b, i).PutConsent(ctx, consent("web", n, n))
	}) {
		if err != nil {
			t.Errorf("PutConsent = %v", err)
		}
	}
	got, err := a.ConsentTo(ctx, env1, "alice", "web")
	if err != nil || len(got.Scopes) != 2 || got.Scopes[0] != got.Scopes[1] {
		t.Errorf("ConsentTo = %v, %v, want one caller's scopes", got.Scopes, err)
	}
	errs := race(50, func(i int) error { return either(a, b, i).DeleteConsent(ctx, env1, "alice", "web") })
	oneWinner(t, "DeleteConsent", errs, store.ErrNotFound)
}

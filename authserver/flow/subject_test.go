package flow_test

import (
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/flow"
	"github.com/caddy-gatehouse/gatehouse/authserver/flow/flowtest"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// TestMappedSubject: the answer promises the sub that the client knows the person
// by, and there is none for a person who has no such sub.
func TestMappedSubject(t *testing.T) {
	for _, tt := range []struct {
		name          string
		from          store.Source
		promised, err string
	}{
		{"nothing is mapped", store.Source{}, "", ""},
		{"the username", store.Source{User: "username"}, flowtest.Alice, ""},
		{"what the person does not have", store.Source{User: "no_such_claim"}, "", "invalid_request"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := flowtest.New(t)
			b := g.Browser()
			g.Directory.EditClient(g.Env.ID, flowtest.Web, func(c *store.Client) { c.Subject = tt.from })
			f := g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
			f = g.MustAct(b, f.ID, flow.CheckPassword, alice(), flow.Completed)
			got := g.MustAnswer(b, f)
			if got["error"] != tt.err || (got["code"] == "") != (tt.err != "") {
				t.Fatalf("answer = %v, want error %q", got, tt.err)
			}
			if tt.err != "" {
				return
			}
			if a := authorization(g, got); a.MappedSubject != tt.promised || a.On.Subject != flowtest.AliceID {
				t.Errorf("the code stands for sub %q of %q, want %q of Alice", a.MappedSubject, a.On.Subject, tt.promised)
			}
		})
	}
}

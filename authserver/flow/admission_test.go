package flow_test

import (
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/authorize"
	"github.com/caddy-gatehouse/gatehouse/authserver/flow"
	"github.com/caddy-gatehouse/gatehouse/authserver/flow/flowtest"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// TestAdmission: an application for administrators is for nobody else, and nobody
// learns before they have proved who they are.
func TestAdmission(t *testing.T) {
	tests := []struct {
		name  string
		edit  func(*store.Client)
		admin bool
		want  string // error; "" for a code
	}{
		{"for everybody", func(*store.Client) {}, false, ""},
		{"for administrators, to one", func(c *store.Client) { c.AdministratorsOnly = true }, true, ""},
		{"for administrators, to another", func(c *store.Client) { c.AdministratorsOnly = true }, false, "access_denied"},
		{"for groups, of which there are none", func(c *store.Client) { c.NobodySignsOn = true }, true, "access_denied"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := flowtest.New(t)
			b := g.Browser()
			g.Directory.EditClient(g.Env.ID, flowtest.Web, tt.edit)
			g.Directory.Appoint(flowtest.AliceID, tt.admin)
			status := flow.Completed
			if tt.want != "" {
				status = flow.Failed
			}
			f := g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
			if _, err := g.Act(b, f.ID, flow.CheckPassword, flow.Input{Username: flowtest.Alice, Password: "wrong"}); detail(err) != "INVALID_CREDENTIALS " {
				t.Errorf("wrong password: %v, want no word of who is admitted", err)
			}
			f = g.MustAct(b, f.ID, flow.CheckPassword, alice(), status)
			if got := g.MustAnswer(b, f); got["error"] != tt.want || (got["code"] == "") != (tt.want != "") {
				t.Errorf("answer = %v, want error %q", got, tt.want)
			}
			// With the session that there is now.
			_, err := g.Start(b, g.Request(flowtest.Web, func(r *authorize.Request) { r.Prompt = []string{"none"} }))
			if (err != nil) != (tt.want != "") {
				t.Errorf("silently: %v, want error %q", err, tt.want)
			}
		})
	}
	t.Run("who loses the role in the middle", func(t *testing.T) {
		g := flowtest.New(t)
		b := g.Browser()
		g.Directory.EditClient(g.Env.ID, flowtest.Web, func(c *store.Client) { c.AdministratorsOnly = true })
		g.Directory.Appoint(flowtest.AliceID, true)
		f := g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
		f = g.MustAct(b, f.ID, flow.CheckPassword, alice(), flow.Completed)
		g.Directory.Appoint(flowtest.AliceID, false)
		r, err := g.Answer(b, f)
		if err != nil {
			t.Fatal(err)
		}
		if p := flowtest.Params(r); p["error"] != "access_denied" || p["code"] != "" {
			t.Errorf("answer = %v, want access_denied", p)
		}
	})
}

package endpoint_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/flow"
	"github.com/caddy-gatehouse/gatehouse/authserver/flow/flowtest"
)

// FuzzFlowAction: whatever is posted to a flow, the answer is JSON with a status
// that fits, and nobody is signed on who has not given a password.
func FuzzFlowAction(f *testing.F) {
	f.Add("usernamePassword.check", `{"username":"alice","password":"x"}`)
	f.Add("password.forgot", `{"username":"\u0000\ud800"}`)
	f.Add("user.register", `{"username":"a","email":"@","password":"","name":{"given":[1]}}`)
	f.Add("flow.cancel", ``)
	f.Add("user.consent", `{"accept":"true"}`)
	f.Add("session.reset", ` {"a":{"b":[[[[]]]]}} `)
	f.Add("; charset", "[")
	g := newFlowRig(f)
	f.Fuzz(func(t *testing.T, action, body string) {
		g.T = t
		if strings.Contains(body, flowtest.AlicePassword) || strings.Contains(body, flowtest.BobPassword) {
			t.Skip()
		}
		b := g.Browser()
		fl := g.MustStart(b, g.Request(flowtest.Always), flow.UsernamePasswordRequired)
		a := g.act(b, fl.ID, flow.Action(action), body)
		switch a.status {
		case http.StatusOK, http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType:
		default:
			t.Errorf("status = %d: %s", a.status, a.body)
		}
		if !json.Valid([]byte(a.body)) {
			t.Errorf("body is not JSON: %s", a.body)
		}
		if b.Session() != nil {
			t.Errorf("somebody is signed on after %s %q", action, body)
		}
	})
}

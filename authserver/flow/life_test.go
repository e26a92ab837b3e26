package flow_test

import (
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/flow"
	"github.com/caddy-gatehouse/gatehouse/authserver/flow/flowtest"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// TestIdleFlowsEnd: 15 minutes without a call, or an hour in all.
func TestIdleFlowsEnd(t *testing.T) {
	g := flowtest.New(t)
	b := g.Browser()
	f := g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
	if want := flowtest.Noon.Add(15 * time.Minute); !f.ExpiresAt.Equal(want) || !f.CreatedAt.Equal(flowtest.Noon) {
		t.Errorf("created %v, expires %v, want noon and %v", f.CreatedAt, f.ExpiresAt, want)
	}
	for i := range 4 {
		g.Clock.Advance(14 * time.Minute)
		f, err := g.Read(b, f.ID)
		if err != nil {
			t.Fatalf("after %d × 14 minutes: %v", i+1, err)
		}
		if want := min(g.Clock.Now().Sub(flowtest.Noon)+15*time.Minute, time.Hour); f.ExpiresAt.Sub(flowtest.Noon) != want {
			t.Errorf("after %d × 14 minutes it expires %v past noon, want %v", i+1, f.ExpiresAt.Sub(flowtest.Noon), want)
		}
	}
	g.Clock.Advance(4*time.Minute + time.Second)
	if _, err := g.Read(b, f.ID); !gone(err) {
		t.Errorf("after an hour: %v, want 404", err)
	}

	f = g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
	g.Clock.Advance(15 * time.Minute)
	if _, err := g.Act(b, f.ID, flow.CheckPassword, alice()); !gone(err) {
		t.Errorf("a step after 15 idle minutes: %v, want 404", err)
	}
	if b.Session() != nil {
		t.Error("there is a session")
	}

	f = g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
	g.Clock.Advance(10 * time.Minute)
	if _, err := g.Act(b, f.ID, flow.CheckPassword, flow.Input{Username: "x", Password: "y"}); detail(err) != "INVALID_CREDENTIALS " {
		t.Fatal(err)
	}
	g.Clock.Advance(14 * time.Minute)
	g.MustAct(b, f.ID, flow.CheckPassword, alice(), flow.Completed)
}

// TestFinishedFlowsWaitBriefly: for the one answer, five minutes, and looking
// does not prolong them.
func TestFinishedFlowsWaitBriefly(t *testing.T) {
	for _, late := range []bool{false, true} {
		g := flowtest.New(t)
		b := g.Browser()
		f := g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
		f = g.MustAct(b, f.ID, flow.CheckPassword, alice(), flow.Completed)
		g.Clock.Advance(4 * time.Minute)
		if _, err := g.Read(b, f.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := g.Act(b, f.ID, flow.CheckPassword, alice()); !refused(err, oauth.PingOneInvalidRequest) {
			t.Errorf("a step: %v, want 400", err)
		}
		if !late {
			if got := g.MustAnswer(b, f); got["code"] == "" {
				t.Errorf("answer = %v, want a code", got)
			}
			if again, err := g.Read(b, f.ID); err != nil || !again.Answered {
				t.Errorf("afterwards: %+v, %v, want it marked as answered", again, err)
			}
			if r, err := g.Answer(b, f); !refused(err, oauth.PingOneInvalidRequest) {
				t.Errorf("second answer: %v, %v, want 400", r, err)
			}
			continue
		}
		g.Clock.Advance(time.Minute)
		if _, err := g.Answer(b, f); !gone(err) {
			t.Errorf("answer after five minutes: %v, want 404", err)
		}
	}
}

// TestUnknownFlow: what is not there is 404, whatever is asked of it.
func TestUnknownFlow(t *testing.T) {
	g := flowtest.New(t)
	b := g.Browser()
	g.SignOn(b, flowtest.Alice, flowtest.AlicePassword)
	for _, id := range []string{secret.NewID(), "", "x\x00y"} {
		if _, err := g.Read(b, id); !gone(err) {
			t.Errorf("read %q: %v, want 404", id, err)
		}
		if _, err := g.Act(b, id, flow.CheckPassword, alice()); !gone(err) {
			t.Errorf("step of %q: %v, want 404", id, err)
		}
		if _, err := g.Answer(b, &flow.Flow{ID: id}); !gone(err) {
			t.Errorf("answer of %q: %v, want 404", id, err)
		}
	}
}

// TestRequestTooLargeToKeep travels to the client as an error.
func TestRequestTooLargeToKeep(t *testing.T) {
	g := flowtest.New(t)
	b := g.Browser()
	long := make([]byte, 62<<10)
	for i := range long {
		long[i] = 'x'
	}
	req := g.Request(flowtest.Web)
	req.ReplyTo.State = string(long)
	if f, err := g.Start(b, req); begun(f, err) != oauth.CodeInvalidRequest {
		t.Errorf("got %v, %v, want invalid_request", f, err)
	}
}

// TestPage is where the person goes: the hosted page, or the client's own.
func TestPage(t *testing.T) {
	g := flowtest.New(t)
	b := g.Browser()
	f := g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
	base := "https://auth.example.com/" + g.Env.ID
	if got, want := flow.Page(g.Env, f), base+"/signon/?flowId="+f.ID; got != want {
		t.Errorf("page = %s, want %s", got, want)
	}
	domain := g.Env.At(store.Domain{Host: "id.example.com", Issuer: "https://id.example.com/as"})
	if got, want := flow.Page(domain, f), "https://id.example.com/signon/?flowId="+f.ID; got != want {
		t.Errorf("page at a custom domain = %s, want %s", got, want)
	}
	client := *f.Client
	client.LoginPageURL = "https://login.example.com/start?theme=dark"
	f.Client = &client
	want := "https://login.example.com/start?environmentId=" + g.Env.ID + "&flowId=" + f.ID + "&theme=dark"
	if got := flow.Page(g.Env, f); got != want {
		t.Errorf("page = %s, want %s", got, want)
	}
}

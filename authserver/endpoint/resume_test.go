package endpoint_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/authorize"
	"github.com/caddy-gatehouse/gatehouse/authserver/flow"
	"github.com/caddy-gatehouse/gatehouse/authserver/flow/flowtest"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// signedOn is a completed flow of Alice.
func (g *flowRig) signedOn(b *flowtest.Browser, edits ...func(*authorize.Request)) *flow.Flow {
	g.T.Helper()
	f := g.MustStart(b, g.Request(flowtest.Web, edits...), flow.UsernamePasswordRequired)
	return g.MustAct(b, f.ID, flow.CheckPassword, flow.Input{Username: flowtest.Alice, Password: flowtest.AlicePassword}, flow.Completed)
}

// TestResumeCompleted: the answer goes where the request wanted it, once.
func TestResumeCompleted(t *testing.T) {
	tests := []struct {
		name  string
		mode  string
		types []string
		check func(*testing.T, reply)
	}{
		{"query", oauth.ModeQuery, []string{"code"}, func(t *testing.T, a reply) {
			u, q := a.location()
			if a.status != http.StatusFound || u.Host != "app.example.com" || u.Fragment != "" || q.Get("code") == "" || q.Get("state") != "the-state" || q.Get("iss") == "" {
				t.Errorf("got %d %s, want code, state and iss in the query", a.status, a.header.Get("Location"))
			}
		}},
		{"fragment", oauth.ModeFragment, []string{"code", "id_token"}, func(t *testing.T, a reply) {
			u, q := a.location()
			if a.status != http.StatusFound || u.RawQuery != "" || q.Get("code") == "" || q.Get("id_token") == "" || q.Get("state") != "the-state" {
				t.Errorf("got %d %s, want code and id_token in the fragment", a.status, u)
			}
		}},
		{"form_post", oauth.ModeFormPost, []string{"code"}, func(t *testing.T, a reply) {
			if a.status != http.StatusOK || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") || !strings.Contains(a.body, `name="code"`) ||
				!strings.Contains(a.body, flowtest.Callback) {
				t.Errorf("got %d %s, want a form with the code", a.status, a.body)
			}
		}},
		{"pi.flow", oauth.ModePingFlow, []string{"code"}, func(t *testing.T, a reply) {
			if a.status != http.StatusOK || a.at("status") != "COMPLETED" || a.at("authorizeResponse", "code") == nil || a.at("authorizeResponse", "state") != "the-state" {
				t.Errorf("got %d %s, want the code in authorizeResponse", a.status, a.body)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newFlowRig(t)
			b := g.Browser()
			f := g.signedOn(b, func(r *authorize.Request) { r.ReplyTo.Mode, r.ResponseType = tt.mode, tt.types })
			a := g.resume(b, f.ID)
			tt.check(t, a)
			if !strings.Contains(a.header.Get("Cache-Control"), "no-store") {
				t.Errorf("Cache-Control = %q, want no-store", a.header.Get("Cache-Control"))
			}
			a = g.resume(b, f.ID)
			if a.status != http.StatusBadRequest || a.header.Get("Location") != "" || strings.Contains(a.body, "code=") {
				t.Errorf("second time: %d %s, want 400 and no answer", a.status, a.body)
			}
		})
	}
}

// TestPingFlowIsAnsweredOnce: where the last step has given the answer, resume
// does not give another.
func TestPingFlowIsAnsweredOnce(t *testing.T) {
	g := newFlowRig(t)
	b := g.Browser()
	f := g.MustStart(b, g.Request(flowtest.Web, pingFlow), flow.UsernamePasswordRequired)
	if a := g.act(b, f.ID, flow.CheckPassword, alicePassword); a.at("authorizeResponse", "code") == nil {
		t.Fatalf("last step = %s, want a code", a.body)
	}
	if a := g.resume(b, f.ID, "Accept", "application/json"); a.status != http.StatusBadRequest || a.at("code") != "INVALID_REQUEST" {
		t.Errorf("resume: %d %s, want 400 INVALID_REQUEST", a.status, a.body)
	}
}

// TestResumeElsewhere is every way in which there is no answer.
func TestResumeElsewhere(t *testing.T) {
	t.Run("failed", func(t *testing.T) {
		g := newFlowRig(t)
		b := g.Browser()
		f := g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
		g.MustAct(b, f.ID, flow.Cancel, flow.Input{}, flow.Failed)
		a := g.resume(b, f.ID)
		_, q := a.location()
		if a.status != http.StatusFound || q.Get("error") != "access_denied" || q.Get("state") != "the-state" || q.Get("iss") == "" || q.Get("code") != "" ||
			!strings.Contains(q.Get("error_description"), "the-correlation-id") {
			t.Errorf("got %d %s, want access_denied with state and iss", a.status, a.header.Get("Location"))
		}
		if a := g.resume(b, f.ID); a.status != http.StatusBadRequest {
			t.Errorf("second time: %d, want 400", a.status)
		}
	})
	t.Run("not finished", func(t *testing.T) {
		g := newFlowRig(t)
		b := g.Browser()
		f := g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
		a := g.resume(b, f.ID)
		if a.status != http.StatusFound || flowOf(a) != f.ID {
			t.Errorf("got %d %s, want the sign-on page", a.status, a.header.Get("Location"))
		}
	})
	t.Run("unknown, malformed, expired", func(t *testing.T) {
		g := newFlowRig(t)
		b := g.Browser()
		f := g.signedOn(b)
		for _, id := range []string{"", "x", secret.NewID(), strings.ToUpper(f.ID), f.ID + " "} {
			a := g.resume(b, id, "Accept", "application/json")
			if a.status != http.StatusNotFound || a.at("code") != "NOT_FOUND" {
				t.Errorf("%q: %d %s, want 404 NOT_FOUND", id, a.status, a.body)
			}
		}
		if a := g.send(b, http.MethodGet, "as/resume", "", "Accept", "application/json"); a.status != http.StatusNotFound {
			t.Errorf("without flowId: %d, want 404", a.status)
		}
		if a := g.send(b, http.MethodGet, "as/resume?flowId="+f.ID+"&flowId="+f.ID, ""); a.status != http.StatusBadRequest {
			t.Errorf("flowId twice: %d, want 400", a.status)
		}
		g.Clock.Advance(5 * time.Minute)
		if a := g.resume(b, f.ID); a.status != http.StatusNotFound || a.header.Get("X-Page") != "error" {
			t.Errorf("expired: %d, want 404 as a page", a.status)
		}
	})
	t.Run("another browser", func(t *testing.T) {
		g := newFlowRig(t)
		b := g.Browser()
		f := g.signedOn(b)
		other := g.Browser()
		g.signedOn(other)
		for _, thief := range []*flowtest.Browser{g.Browser(), other} {
			if a := g.resume(thief, f.ID); a.status != http.StatusNotFound || a.header.Get("Location") != "" {
				t.Errorf("got %d %s, want 404", a.status, a.header.Get("Location"))
			}
		}
		if _, q := g.resume(b, f.ID).location(); q.Get("code") == "" {
			t.Error("its own browser gets no code afterwards")
		}
	})
	t.Run("session ended", func(t *testing.T) {
		g := newFlowRig(t)
		b := g.Browser()
		f := g.signedOn(b)
		if _, err := g.Logout.End(context.Background(), g.Env, f.Session, nil); err != nil {
			t.Fatal(err)
		}
		if a := g.resume(b, f.ID); a.status != http.StatusBadRequest || a.header.Get("Location") != "" {
			t.Errorf("got %d %s, want 400", a.status, a.header.Get("Location"))
		}
	})
	t.Run("HEAD does not use it up", func(t *testing.T) {
		g := newFlowRig(t)
		b := g.Browser()
		f := g.signedOn(b)
		if a := g.send(b, http.MethodHead, "as/resume?flowId="+f.ID, ""); a.status != http.StatusMethodNotAllowed {
			t.Errorf("HEAD: %d, want 405", a.status)
		}
		if _, q := g.resume(b, f.ID).location(); q.Get("code") == "" {
			t.Error("GET gets no code afterwards")
		}
	})
}

// TestOneResumeWins: of 50 at once one gets a code.
func TestOneResumeWins(t *testing.T) {
	g := newFlowRig(t)
	b := g.Browser()
	f := g.signedOn(b)
	var codes atomic.Int64
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			a := g.resume(b.Copy(), f.ID)
			_, q := a.location()
			switch {
			case a.status == http.StatusFound && q.Get("code") != "":
				codes.Add(1)
			case a.status != http.StatusBadRequest:
				t.Errorf("status = %d, want 302 or 400", a.status)
			}
		})
	}
	wg.Wait()
	if codes.Load() != 1 {
		t.Errorf("%d codes, want one", codes.Load())
	}
}

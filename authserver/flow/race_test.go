package flow_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/flow"
	"github.com/caddy-gatehouse/gatehouse/authserver/flow/flowtest"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

const racers = 50

// race runs do at once and counts how many calls report success; every other one has
// to say a 400 or that the flow is gone.
func race(t *testing.T, do func(i int) error) int {
	t.Helper()
	var won atomic.Int64
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range racers {
		wg.Go(func() {
			<-start
			switch err := do(i); {
			case err == nil:
				won.Add(1)
			case !refused(err, oauth.PingOneInvalidRequest) && !gone(err):
				t.Errorf("a call that lost: %v, want 400 or 404", err)
			}
		})
	}
	close(start)
	wg.Wait()
	return int(won.Load())
}

// TestOneStepWins: of 50 right passwords at once one signs on, once.
func TestOneStepWins(t *testing.T) {
	g := flowtest.New(t)
	g.Env.SignOn.Argon2Memory, g.Env.SignOn.Argon2Passes = 32<<10, 4 // long enough for the others to come in between
	b := g.Browser()
	f := g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
	won := race(t, func(int) error {
		_, err := g.Engine.Act(context.Background(), g.Env, f.ID, b.Copy().Request(g.Env), flow.CheckPassword, alice())
		return err
	})
	if won != 1 {
		t.Errorf("%d calls succeeded, want one", won)
	}
	list, err := g.Sessions.List(context.Background(), g.Env, flowtest.AliceID)
	if err != nil || len(list) != 1 {
		t.Errorf("%d sessions, %v, want one", len(list), err)
	}
}

// TestOneConsentWins: of 25 who agree and 25 who cancel one is heard.
func TestOneConsentWins(t *testing.T) {
	g := flowtest.New(t)
	b := g.Browser()
	g.SignOn(b, flowtest.Alice, flowtest.AlicePassword)
	f := g.MustStart(b, g.Request(flowtest.Once), flow.ConsentRequired)
	var agreedOnce atomic.Bool
	won := race(t, func(i int) error {
		do := flow.Cancel
		if i%2 == 0 {
			do = flow.Consent
		}
		after, err := g.Engine.Act(context.Background(), g.Env, f.ID, b.Copy().Request(g.Env), do, flow.Input{Accept: true})
		if err == nil && after.Status == flow.Completed {
			agreedOnce.Store(true)
		}
		return err
	})
	if won != 1 {
		t.Errorf("%d calls succeeded, want one", won)
	}
	if got := agreed(g, flowtest.Once) != nil; got != agreedOnce.Load() {
		t.Errorf("consent is stored: %v, want %v as the flow says", got, agreedOnce.Load())
	}
}

// TestOneAnswerWins: of 50 answers at once one is given, stored flow or silent
// one.
func TestOneAnswerWins(t *testing.T) {
	for _, silent := range []bool{false, true} {
		g := flowtest.New(t)
		b := g.Browser()
		f, err := g.Start(b, g.Request(flowtest.Web))
		if err == nil {
			f, err = g.Act(b, f.ID, flow.CheckPassword, alice())
		}
		if err == nil && silent {
			f, err = g.Start(b, g.Request(flowtest.Web))
		}
		if err != nil {
			t.Fatal(err)
		}
		var codes sync.Map
		won := race(t, func(int) error {
			mine := f
			if !silent { // each request reads the flow itself
				var err error
				if mine, err = g.Engine.Read(context.Background(), g.Env, f.ID, b.Copy().Request(g.Env)); err != nil {
					return err
				}
			}
			r, err := g.Engine.Answer(context.Background(), g.Env, mine, b.Copy().Request(g.Env), "id")
			if err == nil {
				codes.Store(flowtest.Params(r)["code"], true)
			}
			return err
		})
		n := 0
		codes.Range(func(any, any) bool { n++; return true })
		if won != 1 || n != 1 {
			t.Errorf("silent %v: %d answers, %d codes, want one of each", silent, won, n)
		}
	}
}

// TestManyPeopleAtOnce is attack 125: sign-ons side by side do not mix.
func TestManyPeopleAtOnce(t *testing.T) {
	g := flowtest.New(t)
	var wg sync.WaitGroup
	for i := range racers {
		wg.Go(func() {
			name, password, id := flowtest.Alice, flowtest.AlicePassword, flowtest.AliceID
			if i%2 == 0 {
				name, password, id = flowtest.Bob, flowtest.BobPassword, flowtest.BobID
			}
			ctx, b := context.Background(), g.Browser()
			client, _ := g.Directory.ClientByID(ctx, g.Env.ID, flowtest.Web)
			s := b.Request(g.Env)
			f, err := g.Engine.Start(ctx, g.Env, g.Request(flowtest.Web), client, s)
			if err == nil {
				f, err = g.Engine.Act(ctx, g.Env, f.ID, s, flow.CheckPassword, flow.Input{Username: name, Password: password})
			}
			if err != nil {
				t.Errorf("sign-on: %v", err)
				return
			}
			r, err := g.Engine.Answer(ctx, g.Env, f, s, "id")
			if err != nil {
				t.Errorf("answer: %v", err)
				return
			}
			if a := authorization(g, flowtest.Params(r)); a.On.Subject != id {
				t.Errorf("the code of %s stands for %s", name, a.On.Subject)
			}
		})
	}
	wg.Wait()
}

package directory_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

func contextOf(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), 10*time.Second)
}

// rotate draws a new secret of an application; the old one is good for keep, 0 for none.
func (k *appKit) rotate(id string, keep time.Duration) (*directory.Item, error) {
	return k.writer.Update(k.t.Context(), directory.Actor{}, k.env, store.KindSecret, id, id, directory.Precondition{},
		func(old *directory.Item) (directory.Document, error) {
			if keep == 0 {
				return old.Document.(*directory.Secret).Rotated(k.clock.Now(), nil)
			}
			until := k.clock.Now().Add(keep)
			return old.Document.(*directory.Secret).Rotated(k.clock.Now(), &until)
		})
}

func (k *appKit) secrets(id string) []string {
	var all []string
	for _, s := range k.client(id).Secrets {
		all = append(all, string(s.Value))
	}
	return all
}

func TestSecretRotation(t *testing.T) {
	k := newAppKit(t)
	web := k.application(webApp())
	first := k.secrets(web.ID)
	if len(first) != 1 || len(first[0]) < 64 || strings.Trim(first[0], "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~") != "" {
		t.Fatalf("got %d secrets, want one of 64 characters or more of PingOne's alphabet", len(first))
	}
	if _, err := k.rotate(web.ID, 0); err != nil {
		t.Fatal(err)
	}
	second := k.secrets(web.ID)
	if len(second) != 1 || second[0] == first[0] {
		t.Fatal("want another secret, and the first one gone at once")
	}
	it, err := k.rotate(web.ID, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if got := k.secrets(web.ID); len(got) != 2 || got[1] != second[0] || !k.client(web.ID).Secrets[1].Expires.Equal(k.clock.Now().Add(time.Hour)) {
		t.Fatalf("got %d secrets, want the second one good for an hour beside the third", len(got))
	}
	if _, err := k.rotate(web.ID, time.Hour); err != nil {
		t.Fatal(err)
	}
	if got := k.secrets(web.ID); len(got) != 2 || got[1] == second[0] {
		t.Error("want at most one previous secret")
	}
	document := it.Document.(*directory.Secret)
	if text, _ := document.Before(k.clock.Now()); text != second[0] {
		t.Error("Before: want the second secret")
	}
	if text, _ := document.Before(k.clock.Now().Add(time.Hour)); text != "" {
		t.Error("Before: want none when it has ended")
	}
	_, err = k.writer.Update(t.Context(), directory.Actor{}, k.env, store.KindSecret, web.ID, web.ID, directory.Precondition{},
		func(old *directory.Item) (directory.Document, error) {
			return old.Document.(*directory.Secret).WithoutPrevious(), nil
		})
	if err != nil {
		t.Fatal(err)
	}
	if got := k.secrets(web.ID); len(got) != 1 {
		t.Errorf("%d secrets, want the current one alone", len(got))
	}
	var actions []string
	events, err := k.store.ListEvents(t.Context(), store.EventFilter{Environment: appEnv}, "", 100, k.clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		for _, s := range append(second, first[0]) {
			if strings.Contains(string(e.Before)+string(e.After), s) {
				t.Errorf("%s holds a secret", e.Action)
			}
		}
		if strings.HasPrefix(e.Action, "SECRET.") {
			actions = append([]string{e.Action}, actions...)
		}
	}
	if diff := cmp.Diff([]string{"SECRET.CREATED", "SECRET.ROTATED", "SECRET.ROTATED", "SECRET.ROTATED", "SECRET.PREVIOUS_DELETED"}, actions); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestPreviousSecretEnds(t *testing.T) {
	k := newAppKit(t)
	web := k.application(webApp())
	for _, tt := range []struct {
		name string
		keep time.Duration
		want string
	}{
		{"59 seconds", 59 * time.Second, "OUT_OF_RANGE previous.expiresAt"},
		{"1 minute", time.Minute, ""},
		{"30 days", 30 * 24 * time.Hour, ""},
		{"30 days and 1 second", 30*24*time.Hour + time.Second, "OUT_OF_RANGE previous.expiresAt"},
		{"in the past", -time.Hour, "OUT_OF_RANGE previous.expiresAt"},
	} {
		if _, err := k.rotate(web.ID, tt.keep); appProblem(err) != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, appProblem(err), tt.want)
		}
	}
}

func TestDeclaredSecretIsNotRotated(t *testing.T) {
	k := newAppKit(t)
	for _, id := range []string{"demo-web", "orders"} {
		it, err := k.live.Item(t.Context(), k.env, store.KindSecret, id, id)
		if err != nil {
			t.Fatal(err)
		}
		if got := it.Document.(*directory.Secret).Current(); got != id+"-secret" {
			t.Errorf("secret of %s = %q, want the declared one", id, got)
		}
		if _, err := k.rotate(id, 0); appProblem(err) != "CONSTRAINT_VIOLATION id" {
			t.Errorf("%s: got %q, want CONSTRAINT_VIOLATION", id, appProblem(err))
		}
	}
}

func TestUseOfReplacedSecret(t *testing.T) {
	k := newAppKit(t)
	web := k.application(webApp())
	uses := directory.NewSecretUses(k.store, k.clock.Now, slog.New(slog.DiscardHandler))
	ctx, cancel := contextOf(t)
	defer cancel()
	done := make(chan struct{})
	go func() { uses.Run(ctx); close(done) }()
	used := func(want time.Time) {
		t.Helper()
		for {
			it, err := k.live.Item(t.Context(), k.env, store.KindSecret, web.ID, web.ID)
			switch {
			case err != nil:
				t.Fatal(err)
			case it.UsedAt.Equal(want):
				return
			case ctx.Err() != nil:
				t.Fatalf("used at %v, want %v", it.UsedAt, want)
			}
			time.Sleep(time.Millisecond)
		}
	}
	first := k.clock.Now()
	uses.Used(appEnv, web.ID)
	used(first)
	k.clock.Advance(59 * time.Second)
	uses.Used(appEnv, web.ID) // within the minute
	k.clock.Advance(time.Second)
	uses.Used(appEnv, web.ID)
	used(first.Add(time.Minute))
	cancel()
	<-done
}

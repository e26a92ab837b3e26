package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

var generalTests = []namedTest{
	{"a store that works answers Ping", func(t *testing.T, s store.Store) {
		if err := s.Ping(testContext(t)); err != nil {
			t.Errorf("Ping = %v, want nil", err)
		}
	}},
	{"every method honours its context", contextEnded},
	{"whatever meets, every answer is one that is promised", func(t *testing.T, s store.Store) { mixed(t, s, s) }},
	{"a write whose context ends while others go on does not fail them", contextOfOne},
	{"after Close everything is ErrUnavailable", closed},
}

// calls is each method, by name, with arguments that are answered by the
// database alone.
func calls(s store.Store) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"PutAccessToken": func(ctx context.Context) error { return s.PutAccessToken(ctx, token(1)) },
		"AccessTokenByID": func(ctx context.Context) error {
			_, err := s.AccessTokenByID(ctx, env1, "x", Now.Add(time.Hour), Now)
			return err
		},
		"ListAccessTokens": func(ctx context.Context) error {
			_, err := s.ListAccessTokens(ctx, store.AccessTokenFilter{Environment: env1, Client: "x"}, "", 1, Now)
			return err
		},
		"PutRevocation": func(ctx context.Context) error { return s.PutRevocation(ctx, revocation("x")) },
		"WatchRevocations": func(ctx context.Context) error {
			return s.WatchRevocations(ctx, Now, store.RevocationWatcher{Deliver: func(store.Revocation) {}})
		},
		"KeyRing":        func(ctx context.Context) error { _, _, err := s.KeyRing(ctx, env1); return err },
		"ReplaceKeyRing": func(ctx context.Context) error { return s.ReplaceKeyRing(ctx, env1, 0, nil) },
		"Spend":          func(ctx context.Context) error { return s.Spend(ctx, env1, hash("x"), Now.Add(time.Hour), Now) },
		"PutTicket":      func(ctx context.Context) error { return s.PutTicket(ctx, ticket("x")) },
		"TicketByHash": func(ctx context.Context) error {
			_, err := s.TicketByHash(ctx, env1, store.TicketCode, hash("x"), Now)
			return err
		},
		"TakeTicket": func(ctx context.Context) error {
			_, err := s.TakeTicket(ctx, env1, store.TicketCode, hash("x"), Now)
			return err
		},
		"PutFlow":     func(ctx context.Context) error { return s.PutFlow(ctx, flow("x")) },
		"FlowByID":    func(ctx context.Context) error { _, err := s.FlowByID(ctx, env1, "x", Now); return err },
		"ReplaceFlow": func(ctx context.Context) error { return s.ReplaceFlow(ctx, flow("x"), Now) },
		"DeleteFlow":  func(ctx context.Context) error { return s.DeleteFlow(ctx, env1, "x") },
		"PutSession":  func(ctx context.Context) error { return s.PutSession(ctx, session("x")) },
		"SessionByToken": func(ctx context.Context) error {
			_, err := s.SessionByToken(ctx, env1, hash("x"), Now)
			return err
		},
		"SessionByID":    func(ctx context.Context) error { _, err := s.SessionByID(ctx, env1, "x", Now); return err },
		"ReplaceSession": func(ctx context.Context) error { return s.ReplaceSession(ctx, session("x")) },
		"EndSession":     func(ctx context.Context) error { _, err := s.EndSession(ctx, env1, "x"); return err },
		"ListSessions":   func(ctx context.Context) error { _, err := s.ListSessions(ctx, env1, "x", 1, Now); return err },
		"PutFamily":      func(ctx context.Context) error { return s.PutFamily(ctx, family("x"), refresh("x", Now)) },
		"FamilyByToken": func(ctx context.Context) error {
			_, _, _, err := s.FamilyByToken(ctx, env1, hash("x"), Now)
			return err
		},
		"RotateRefreshToken": func(ctx context.Context) error {
			_, _, err := s.RotateRefreshToken(ctx, env1, hash("x"), refresh("y", Now), 0, true, Now)
			return err
		},
		"EndFamilies": func(ctx context.Context) error {
			_, err := s.EndFamilies(ctx, store.FamilyFilter{Environment: env1, Subject: "x"})
			return err
		},
		"AccessTokenEnvironment": func(ctx context.Context) error {
			_, err := s.AccessTokenEnvironment(ctx, "x", Now.Add(time.Hour), Now)
			return err
		},
		"ListFamilies": func(ctx context.Context) error {
			_, err := s.ListFamilies(ctx, store.FamilyFilter{Environment: env1, Subject: "x"}, "", 1, Now)
			return err
		},
		"PutConsent":       func(ctx context.Context) error { return s.PutConsent(ctx, consent("x")) },
		"ConsentTo":        func(ctx context.Context) error { _, err := s.ConsentTo(ctx, env1, "x", "x"); return err },
		"ListConsents":     func(ctx context.Context) error { _, err := s.ListConsents(ctx, env1, "x", 1); return err },
		"DeleteConsent":    func(ctx context.Context) error { return s.DeleteConsent(ctx, env1, "x", "x") },
		"PutUser":          func(ctx context.Context) error { return s.PutUser(ctx, user("x")) },
		"StoredUserByID":   func(ctx context.Context) error { _, err := s.StoredUserByID(ctx, env1, "x"); return err },
		"StoredUserByName": func(ctx context.Context) error { _, err := s.StoredUserByName(ctx, env1, "x"); return err },
		"ReplaceUser":      func(ctx context.Context) error { return s.ReplaceUser(ctx, user("x")) },
		"DeleteUser":       func(ctx context.Context) error { return s.DeleteUser(ctx, env1, "x") },
		"CredentialOf":     func(ctx context.Context) error { _, err := s.CredentialOf(ctx, env1, "x"); return err },
		"CredentialsOf":    func(ctx context.Context) error { _, err := s.CredentialsOf(ctx, env1, []string{"x"}); return err },
		"PutCredential":    func(ctx context.Context) error { return s.PutCredential(ctx, credential("x")) },
		"PutRegisteredClient": func(ctx context.Context) error {
			return s.PutRegisteredClient(ctx, registered("x"))
		},
		"RegisteredClientByID": func(ctx context.Context) error {
			_, err := s.RegisteredClientByID(ctx, env1, "x")
			return err
		},
		"ReplaceRegisteredClient": func(ctx context.Context) error { return s.ReplaceRegisteredClient(ctx, registered("x")) },
		"DeleteRegisteredClient":  func(ctx context.Context) error { return s.DeleteRegisteredClient(ctx, env1, "x") },
		"RegisteredPostLogoutRedirectURI": func(ctx context.Context) error {
			_, err := s.RegisteredPostLogoutRedirectURI(ctx, env1, "x")
			return err
		},
		"PutDelivery": func(ctx context.Context) error { return s.PutDelivery(ctx, delivery("x")) },
		"ClaimDeliveries": func(ctx context.Context) error {
			_, err := s.ClaimDeliveries(ctx, "backchannel_logout", Now, Now.Add(time.Minute), 1)
			return err
		},
		"RetryDelivery":  func(ctx context.Context) error { return s.RetryDelivery(ctx, delivery("x")) },
		"FinishDelivery": func(ctx context.Context) error { return s.FinishDelivery(ctx, env1, "x") },
		"ObjectByID": func(ctx context.Context) error {
			_, err := s.ObjectByID(ctx, env1, store.KindApplication, "x")
			return err
		},
		"ListObjects": func(ctx context.Context) error {
			_, err := s.ListObjects(ctx, store.ObjectFilter{Environment: env1, Kind: store.KindApplication}, "", 1)
			return err
		},
		"ChildrenOf": func(ctx context.Context) error { _, err := s.ChildrenOf(ctx, env1, "x", 1); return err },
		"ObjectsByKey": func(ctx context.Context) error {
			_, err := s.ObjectsByKey(ctx, env1, store.KindApplication, "x", 1)
			return err
		},
		"ObjectsVersion": func(ctx context.Context) error { _, err := s.ObjectsVersion(ctx, env1); return err },
		"TouchObject": func(ctx context.Context) error {
			return s.TouchObject(ctx, env1, store.KindApplication, "x", Now)
		},
		"Apply": func(ctx context.Context) error {
			return s.Apply(ctx, store.Write{Environment: env1, Put: []store.Object{object("x")}})
		},
		"PurgeEnvironment": func(ctx context.Context) error { _, err := s.PurgeEnvironment(ctx, env1, 1); return err },
		"ScanUsers": func(ctx context.Context) error {
			_, err := s.ScanUsers(ctx, store.UserScan{Environment: env1, Limit: 1})
			return err
		},
		"CountUsers": func(ctx context.Context) error { _, err := s.CountUsers(ctx, env1, "", true, 1); return err },
		"EventByID":  func(ctx context.Context) error { _, err := s.EventByID(ctx, env1, "x", Now); return err },
		"ListEvents": func(ctx context.Context) error {
			_, err := s.ListEvents(ctx, store.EventFilter{Environment: env1}, "", 1, Now)
			return err
		},
		"Sweep": func(ctx context.Context) error { _, err := s.Sweep(ctx, Now, 1); return err },
		"Ping":  s.Ping,
	}
}

func contextEnded(t *testing.T, s store.Store) {
	if err := s.Ping(testContext(t)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for name, call := range calls(s) {
		if err := call(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%s = %v, want context.Canceled", name, err)
		}
	}
}

func contextOfOne(t *testing.T, s store.Store) {
	ctx := testContext(t)
	short, cancel := context.WithCancel(ctx)
	for i, err := range race(64, func(i int) error {
		switch {
		case i == 0:
			cancel()
			return nil
		case i%4 == 0:
			err := s.PutAccessToken(short, token(i))
			if errors.Is(err, context.Canceled) {
				return nil
			}
			return err
		}
		return s.PutAccessToken(ctx, token(i))
	}) {
		if err != nil {
			t.Errorf("PutAccessToken %d = %v", i, err)
		}
	}
}

func closed(t *testing.T, s store.Store) {
	c, ok := s.(interface{ Close() error })
	if !ok {
		t.Skip("this store has no Close")
	}
	ctx := testContext(t)
	if err := s.Ping(ctx); err != nil {
		t.Fatal(err)
	}
	watch := make(chan error, 1)
	go func() { watch <- calls(s)["WatchRevocations"](ctx) }()
	// What is queued when Close comes is either stored or refused, and answered.
	storm := make(chan []error, 1)
	go func() { storm <- race(64, func(i int) error { return s.PutAccessToken(ctx, token(i)) }) }()
	if err := c.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
	for i, err := range <-storm {
		if err != nil && !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("PutAccessToken %d during Close = %v, want nil or ErrUnavailable", i, err)
		}
	}
	if err := <-watch; !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("WatchRevocations during Close = %v, want ErrUnavailable", err)
	}
	for name, call := range calls(s) {
		if err := call(ctx); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s after Close = %v, want ErrUnavailable", name, err)
		}
	}
	if err := c.Close(); err != nil {
		t.Errorf("the second Close = %v, want nil", err)
	}
}

package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

var purgeTests = []namedTest{
	{"what an environment left behind goes, and nothing of another's", purgeAll},
	{"one call is bounded, and the next goes on", purgeBounded},
	{"the count of changes does not begin again", purgeCount},
}

// purge calls until nothing is left.
func purge(t testing.TB, s store.Store, environment string, limit int) (total, calls int) {
	t.Helper()
	for calls = 1; calls < 10_000; calls++ {
		n, err := s.PurgeEnvironment(testContext(t), environment, limit)
		if err != nil {
			t.Fatalf("PurgeEnvironment = %v", err)
		}
		if total += n; n == 0 {
			return total, calls
		}
	}
	t.Fatal("PurgeEnvironment does not come to an end")
	return 0, 0
}

// inhabit makes one record of every kind, and more of some, in an environment.
func inhabit(t testing.TB, s store.Store, environment string, n int) {
	t.Helper()
	ctx := testContext(t)
	for i := range n {
		id := fmt.Sprint(i)
		o, g, u, c := object(id), child(id, "of "+id), newUser(id), credential(id)
		r, e, d := revocation(id), event(id), delivery(id)
		o.Environment, g.Environment, u.Environment, c.Environment = environment, environment, environment, environment
		r.Environment, e.Environment, d.Environment = environment, environment, environment
		apply(t, s, store.Write{
			Environment: environment, Put: []store.Object{o, g}, PutUsers: []store.User{u}, PutCredentials: []store.Credential{c},
			Revocations: []store.Revocation{r}, Events: []store.Event{e}, Deliveries: []store.Delivery{d},
		})
		a, k, f, x, fam, reg := token(i), ticket(id), flow(id), session(id), family(id), registered(id)
		a.Environment, k.Environment, f.Environment, x.Environment, fam.Environment = environment, environment, environment, environment, environment
		reg.Environment = environment
		for what, err := range map[string]error{
			"token":   s.PutAccessToken(ctx, a),
			"ticket":  s.PutTicket(ctx, k),
			"flow":    s.PutFlow(ctx, f),
			"session": s.PutSession(ctx, x),
			"family":  s.PutFamily(ctx, fam, refresh(id, Now)),
			"client":  s.PutRegisteredClient(ctx, reg),
			"consent": s.PutConsent(ctx, store.ConsentRecord{Environment: environment, Subject: id, Client: "web"}),
			"spent":   s.Spend(ctx, environment, hash(id), Now.Add(time.Hour), Now),
		} {
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
		}
	}
	for environment, err := range map[string]error{environment: s.ReplaceKeyRing(ctx, environment, 0, nil)} {
		if err != nil {
			t.Fatalf("key ring of %s: %v", environment, err)
		}
	}
}

// inhabitants names the kinds of records that are found in an environment.
func inhabitants(t testing.TB, s store.Store, environment, id string) string {
	t.Helper()
	ctx := testContext(t)
	out := ""
	look := func(letter string, found bool, err error) {
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			t.Fatalf("%s: %v", letter, err)
		}
		if found && err == nil {
			out += letter
		}
	}
	_, err := s.ObjectByID(ctx, environment, store.KindApplication, id)
	look("object ", true, err)
	_, err = s.ObjectByID(ctx, environment, store.KindGrant, "of "+id)
	look("child ", true, err)
	list, err := s.ObjectsByKey(ctx, environment, store.KindApplication, "name "+id, 1)
	look("key ", len(list) > 0, err)
	_, err = s.StoredUserByID(ctx, environment, id)
	look("user ", true, err)
	n, err := s.CountUsers(ctx, environment, "", true, 1)
	look("term ", n > 0, err)
	_, err = s.CredentialOf(ctx, environment, id)
	look("credential ", true, err)
	_, err = s.EventByID(ctx, environment, id, Now)
	look("event ", true, err)
	_, err = s.AccessTokenByID(ctx, environment, token(0).ID, token(0).ExpiresAt, Now)
	look("token ", true, err)
	_, err = s.TicketByHash(ctx, environment, store.TicketCode, hash(id), Now)
	look("ticket ", true, err)
	_, err = s.FlowByID(ctx, environment, id, Now)
	look("flow ", true, err)
	_, err = s.SessionByID(ctx, environment, id, Now)
	look("session ", true, err)
	_, _, _, err = s.FamilyByToken(ctx, environment, refresh(id, Now).Hash, Now)
	look("family ", true, err)
	_, err = s.RegisteredClientByID(ctx, environment, id)
	look("client ", true, err)
	found, err := s.RegisteredPostLogoutRedirectURI(ctx, environment, registered(id).Client.PostLogoutRedirectURIs[0])
	look("uri ", found, err)
	_, err = s.ConsentTo(ctx, environment, id, "web")
	look("consent ", true, err)
	_, v, err := s.KeyRing(ctx, environment)
	look("ring", v > 0, err)
	return out
}

const everything = "object child key user term credential event token ticket flow session family client uri consent ring"

func purgeAll(t *testing.T, s store.Store) {
	inhabit(t, s, env1, 3)
	inhabit(t, s, env2, 3)
	for _, environment := range []string{env1, env2} {
		if got := inhabitants(t, s, environment, "0"); got != everything {
			t.Fatalf("before: %q, want %q", got, everything)
		}
	}
	purge(t, s, env1, 1000)
	for i := range 3 {
		if got := inhabitants(t, s, env1, fmt.Sprint(i)); got != "" && got != "token " {
			t.Errorf("left: %q, want nothing", got)
		}
	}
	if got := inhabitants(t, s, env1, "0"); got != "" {
		t.Errorf("left: %q, want nothing", got)
	}
	if got := inhabitants(t, s, env2, "0"); got != everything {
		t.Errorf("left of another environment: %q, want %q", got, everything)
	}
	claimed, got := claim(t, s, Now, Now.Add(time.Minute), 100)
	for _, d := range claimed {
		if d.Environment != env2 {
			t.Errorf("claimed: %s, want those of the other environment", got)
		}
	}
	// What was spent or revoked is not forgotten before its time.
	if err := s.Spend(testContext(t), env1, hash("0"), Now.Add(time.Hour), Now); !errors.Is(err, store.ErrSpent) {
		t.Errorf("Spend afterwards = %v, want ErrSpent", err)
	}
	w := StartWatch(t, s, Now)
	w.UntilAlive(t, true)
	if _, ok := w.Has(revocation("0")); !ok {
		t.Error("a revocation is forgotten, want it until it expires")
	}
	if n, err := s.PurgeEnvironment(testContext(t), env1, 10); n != 0 || err != nil {
		t.Errorf("PurgeEnvironment of an empty one = %d, %v, want 0, nil", n, err)
	}
	if n, err := s.PurgeEnvironment(testContext(t), "\xff", 10); n != 0 || err != nil {
		t.Errorf("PurgeEnvironment of what cannot be = %d, %v, want 0, nil", n, err)
	}
	again := newUser("0")
	apply(t, s, store.Write{PutUsers: []store.User{again}}) // everything is free again
	wholeIndex(t, s)
}

func purgeBounded(t *testing.T, s store.Store) {
	ctx := testContext(t)
	const n = 1300
	var users []store.User
	var objects []store.Object
	for i := range n {
		users = append(users, newUser(fmt.Sprintf("%04d", i)))
		objects = append(objects, withKey(fmt.Sprintf("%04d", i), fmt.Sprint(i)))
	}
	apply(t, s, store.Write{PutUsers: users, Put: objects})
	for _, err := range race(n, func(i int) error {
		f := flow(fmt.Sprint(i))
		if i%2 == 0 {
			f.Environment = env2
		}
		return s.PutFlow(ctx, f)
	}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	first, err := s.PurgeEnvironment(ctx, env1, 10)
	if first < 1 || first > 1000 || err != nil {
		t.Errorf("PurgeEnvironment of about 10 = %d, %v, want at least 1 and at most a chunk", first, err)
	}
	total, calls := purge(t, s, env1, 100)
	if want := 2*n + n/2; first+total != want || calls < 4 {
		t.Errorf("%d records went in %d calls, want %d in several", first+total, calls, want)
	}
	for i := range n {
		_, err := s.FlowByID(ctx, env2, fmt.Sprint(i), Now)
		if stays := i%2 == 0; stays != (err == nil) {
			t.Fatalf("flow %d of the other environment: %v, want it to stay: %v", i, err, stays)
		}
	}
}

func purgeCount(t *testing.T, s store.Store) {
	seen := map[int64]bool{}
	for range 3 {
		apply(t, s, store.Write{Put: []store.Object{object("a")}})
		v := version(t, s, env1)
		if seen[v] {
			t.Errorf("ObjectsVersion = %d, as before the environment was purged", v)
		}
		seen[v] = true
		purge(t, s, env1, 100)
		if got := version(t, s, env1); seen[got] {
			t.Errorf("ObjectsVersion of a purged environment = %d, as before", got)
		}
	}
}

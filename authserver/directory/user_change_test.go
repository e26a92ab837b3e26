package directory_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

func (n *node) user(t *testing.T, name string) *store.User {
	t.Helper()
	u, err := n.CreateUser(t.Context(), actor, n.env, store.User{Username: name, Claims: map[string]any{"email": name + "@example.com"}},
		&store.Credential{Password: "$argon2id$hash-of-" + name})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestUsers(t *testing.T) {
	n := newNode(t)
	bob := n.user(t, "bob")
	if bob.Version != 1 || !bob.CreatedAt.Equal(start) {
		t.Errorf("created = version %d at %v, want 1 at %v", bob.Version, bob.CreatedAt, start)
	}
	cred, err := n.store.CredentialOf(t.Context(), demo, bob.ID)
	if err != nil || !strings.HasPrefix(cred.Password, "$argon2id$") {
		t.Errorf("credential = %v, want the password's hash", err)
	}
	n.clock.Advance(time.Minute)
	changed, err := n.UpdateUser(t.Context(), actor, n.env, bob.ID, directory.Precondition{Version: 1}, func(c *directory.UserChange) error {
		c.User.Claims["email"] = "robert@example.com"
		c.Credential.MustChange = true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	stored, err := n.live.UserByID(t.Context(), demo, bob.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(stored, changed); diff != "" {
		t.Errorf("what is said to be stored (-stored +said):\n%s", diff)
	}
	if stored.Version != 2 || stored.Claims["email"] != "robert@example.com" || !stored.UpdatedAt.Equal(start.Add(time.Minute)) {
		t.Errorf("stored = %+v, want the new address at version 2", stored)
	}
	if cred, err := n.store.CredentialOf(t.Context(), demo, bob.ID); err != nil || !cred.MustChange {
		t.Errorf("credential = %+v, %v, want MustChange", cred, err)
	}
	// The credential alone, without a line.
	before := len(n.events(t, demo))
	_, err = n.UpdateUser(t.Context(), actor, n.env, bob.ID, directory.Precondition{}, func(c *directory.UserChange) error {
		c.Credential.Failures++
		c.NoEvent = true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if u, err := n.live.UserByID(t.Context(), demo, bob.ID); err != nil || u.Version != 2 || len(n.events(t, demo)) != before {
		t.Errorf("counting a wrong password: version %d, %d events, %v, want nothing of either", u.Version, len(n.events(t, demo))-before, err)
	}
	if err := n.DeleteUser(t.Context(), actor, n.env, bob.ID, directory.Precondition{}); err != nil {
		t.Fatal(err)
	}
	if _, err := n.store.CredentialOf(t.Context(), demo, bob.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("credential after the deletion: %v, want ErrNotFound", err)
	}
	var actions []string
	for _, e := range n.events(t, demo) {
		actions = append(actions, e.Action)
		if strings.Contains(string(e.Before)+string(e.After), "argon2") {
			t.Errorf("%s has the password's hash", e.Action)
		}
	}
	if diff := cmp.Diff([]string{"USER.CREATED", "USER.UPDATED", "USER.DELETED"}, actions); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if !n.revocations(t)["subject "+bob.ID] || !cmp.Equal(n.ends(), []directory.End{{Kind: store.RevokedSubject, Value: bob.ID, All: true}}) {
		t.Errorf("ends = %v, want everything that bob holds", n.ends())
	}
}

func TestUserRefusals(t *testing.T) {
	n := newNode(t)
	bob, carol := n.user(t, "bob"), n.user(t, "carol")
	declared, err := n.live.UserByName(t.Context(), demo, "Alice")
	if err != nil {
		t.Fatal(err)
	}
	update := func(id string, version int64, edit func(*directory.UserChange)) error {
		_, err := n.UpdateUser(t.Context(), actor, n.env, id, directory.Precondition{Version: version}, func(c *directory.UserChange) error {
			edit(c)
			return nil
		})
		return err
	}
	create := func(u store.User) error {
		_, err := n.CreateUser(t.Context(), actor, n.env, u, nil)
		return err
	}
	tests := []struct {
		name string
		do   func() error
		want string
	}{
		{"a username that another has", func() error { return create(store.User{Username: "bob"}) }, "Bad Request UNIQUENESS_VIOLATION username"},
		{"a username that a declared one has", func() error { return create(store.User{Username: "alice"}) }, "Bad Request UNIQUENESS_VIOLATION username"},
		{"an ID that another has", func() error { return create(store.User{ID: bob.ID, Username: "dave"}) }, "Bad Request UNIQUENESS_VIOLATION id"},
		{"the ID of a declared one", func() error { return create(store.User{ID: declared.ID, Username: "dave"}) }, "Bad Request UNIQUENESS_VIOLATION id"},
		{"a new one", func() error { return create(store.User{Username: "dave"}) }, ""},
		{"another's username", func() error { return update(bob.ID, 0, func(c *directory.UserChange) { c.User.Username = "carol" }) }, "Bad Request UNIQUENESS_VIOLATION username"},
		{"an old version", func() error { return update(bob.ID, 9, func(*directory.UserChange) {}) }, "Precondition Failed"},
		{"nobody", func() error {
			return update("11111111-1111-4111-8111-111111111111", 0, func(*directory.UserChange) {})
		}, "Not Found"},
		{"a declared user's name", func() error { return update(declared.ID, 0, func(c *directory.UserChange) { c.User.Disabled = true }) }, "Bad Request CONSTRAINT_VIOLATION id"},
		{"a declared user's lock", func() error {
			return update(declared.ID, 0, func(c *directory.UserChange) { c.Credential.Locked = true })
		}, ""},
		{"deleting a declared user", func() error { return n.DeleteUser(t.Context(), actor, n.env, declared.ID, directory.Precondition{}) }, "Bad Request CONSTRAINT_VIOLATION id"},
		{"deleting an old version", func() error {
			return n.DeleteUser(t.Context(), actor, n.env, carol.ID, directory.Precondition{Version: 2})
		}, "Precondition Failed"},
		{"deleting the present one", func() error {
			return n.DeleteUser(t.Context(), actor, n.env, carol.ID, directory.Precondition{Version: 1})
		}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := problem(tt.do()); got != tt.want {
				t.Errorf("error = %q, want %q", got, tt.want)
			}
		})
	}
}

// TestDisabledUser ends what they hold, whoever forgot to say so.
func TestDisabledUser(t *testing.T) {
	n := newNode(t)
	bob := n.user(t, "bob")
	for range 2 {
		_, err := n.UpdateUser(t.Context(), actor, n.env, bob.ID, directory.Precondition{}, func(c *directory.UserChange) error {
			c.User.Disabled = true
			c.Action = "USER.DISABLED"
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]directory.End{{Kind: store.RevokedSubject, Value: bob.ID, All: true}}, n.ends()); diff != "" {
		t.Errorf("ends (-want +got):\n%s", diff)
	}
}

// TestUsersLastWriteWins: of many changes of one user none is lost.
func TestUsersLastWriteWins(t *testing.T) {
	n := newNode(t)
	bob := n.user(t, "bob")
	const writers = 30
	var wg sync.WaitGroup
	errs := make([]error, writers)
	for i := range writers {
		wg.Go(func() {
			_, errs[i] = n.UpdateUser(t.Context(), actor, n.env, bob.ID, directory.Precondition{}, func(c *directory.UserChange) error {
				c.User.Claims[fmt.Sprint("claim-", i)] = "x"
				return nil
			})
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	u, err := n.live.UserByID(t.Context(), demo, bob.ID)
	if err != nil {
		t.Fatal(err)
	}
	if len(u.Claims) != writers+1 || u.Version != writers+1 {
		t.Errorf("%d claims at version %d, want %d at %d", len(u.Claims), u.Version, writers+1, writers+1)
	}
}

// TestScanUsers: declared users first, then stored ones, in pages of any size.
func TestScanUsers(t *testing.T) {
	n := newNode(t)
	for _, name := range []string{"bob", "carol", "alina", "dave"} {
		n.user(t, name)
	}
	tests := []struct {
		attribute, value string
		prefix           bool
		want             []string
	}{
		{"", "", false, []string{"Alice", "alina", "bob", "carol", "dave"}},
		{"username", "ali", true, []string{"Alice", "alina"}},
		{"username", "alice", false, []string{"Alice"}},
		{"username", "ali", false, nil},
		{"email", "alice@example.com", false, []string{"Alice"}},
		{"email", "carol@example.com", false, []string{"carol"}},
	}
	for _, tt := range tests {
		for _, size := range []int{1, 2, 3, 10} {
			scan := store.UserScan{Environment: demo, Attribute: tt.attribute, Value: store.FoldTerm(tt.value), Prefix: tt.prefix, Limit: size}
			got := map[string]int{}
			var order []string
			for {
				page, err := n.live.ScanUsers(t.Context(), scan)
				if err != nil {
					t.Fatal(err)
				}
				for _, u := range page {
					got[u.Username]++
					order = append(order, u.Username)
					scan.After = u.Mark
				}
				if len(page) < size {
					break
				}
			}
			want := map[string]int{}
			for _, name := range tt.want {
				want[name] = 1
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s %q in pages of %d (-want +got):\n%s", tt.attribute, tt.value, size, diff)
			}
			if len(order) > 1 && order[0] != "Alice" {
				t.Errorf("%s %q: %v, want the declared user first", tt.attribute, tt.value, order)
			}
		}
	}
}

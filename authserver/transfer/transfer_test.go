package transfer_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/transfer"
)

var withUsers = transfer.ExportOptions{Users: true}

func TestExportImportExportIsTheSame(t *testing.T) {
	from := newServer(t, bare(demo), key(1))
	from.fill(t)
	file := from.export(t, nil, withUsers)
	if again := from.export(t, nil, withUsers); again != file {
		t.Fatalf("two exports of the same differ:\n%s", cmp.Diff(file, again))
	}
	if !strings.Contains(file, `"accessTokenFormat":"OPAQUE"`) {
		t.Error("the file does not say that an application's tokens are opaque")
	}
	to := newServer(t, bare(demo), key(2))
	done := to.doImport(t, nil, file, transfer.ImportOptions{})
	if done.Created == 0 || done.Deleted != 0 {
		t.Errorf("import = %+v, want objects that were created", done.Progress)
	}
	back := to.export(t, nil, withUsers)
	// What a file without secrets cannot bring is the one difference.
	want := strings.Replace(file, `,"headers":{"Authorization":"[redacted]"}`, "", 1)
	if want == file {
		t.Fatal("the file has no redacted header")
	}
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(back, "\n")); diff != "" {
		t.Errorf("exports (-first +second):\n%s", diff)
	}
	if again := to.doImport(t, nil, back, transfer.ImportOptions{}); again.Created+again.Updated+again.Deleted != 0 || again.Same == 0 {
		t.Errorf("an import of what is there = %+v, want all the same", again.Progress)
	}
}

func TestExportHasNoSecrets(t *testing.T) {
	s := newServer(t, bare(demo), key(1))
	s.fill(t)
	it, err := s.Live.Item(t.Context(), s.env, store.KindSecret, shopID, shopID)
	if err != nil {
		t.Fatal(err)
	}
	hook, err := s.Live.Item(t.Context(), s.env, store.KindSubscription, "", hookID)
	if err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]transfer.ExportOptions{
		"plain": withUsers, "with secrets": {Users: true, Secrets: true},
	} {
		file := s.export(t, nil, o)
		for what, secret := range map[string]string{
			"client secret": it.Document.(*directory.Secret).Current(), "signing secret": hook.Document.(*directory.Subscription).Secrets(start)[0].Value,
			"header": "aGVhZGVyLXNlY3JldA==", "hash": "argon2id",
		} {
			if strings.Contains(file, secret) {
				t.Errorf("%s: the file has the %s in clear", name, what)
			}
		}
		if got, want := strings.Contains(file, `"sealed"`), o.Secrets; got != want {
			t.Errorf("%s: sealed parts = %v, want %v", name, got, want)
		}
	}
}

func TestSecretsMoveToAServerWithTheSameKey(t *testing.T) {
	from := newServer(t, bare(demo), key(1))
	from.fill(t)
	file := from.export(t, nil, transfer.ExportOptions{Users: true, Secrets: true})

	to := newServer(t, bare(demo), key(1))
	done := to.doImport(t, nil, file, transfer.ImportOptions{})
	if notes := done.of("note"); notes != nil {
		t.Errorf("notes about %v, want none", notes)
	}
	if diff := cmp.Diff(from.export(t, nil, withUsers), to.export(t, nil, withUsers)); diff != "" {
		t.Errorf("what is not secret (-from +to):\n%s", diff)
	}
	secretOf := func(s *server) string {
		it, err := s.Live.Item(t.Context(), s.env, store.KindSecret, shopID, shopID)
		if err != nil {
			t.Fatal(err)
		}
		return it.Document.(*directory.Secret).Current()
	}
	if secretOf(from) != secretOf(to) {
		t.Error("the client secret is another one")
	}
	hookOf := func(s *server) *directory.Subscription {
		it, err := s.Live.Item(t.Context(), s.env, store.KindSubscription, "", hookID)
		if err != nil {
			t.Fatal(err)
		}
		return it.Document.(*directory.Subscription)
	}
	if hookOf(from).Secrets(start)[0] != hookOf(to).Secrets(start)[0] || hookOf(to).Header()["Authorization"] != "Basic aGVhZGVyLXNlY3JldA==" {
		t.Error("the webhook's secrets are others")
	}
	if !to.password(t, to.env, "carol", "carol-good-pass") || to.password(t, to.env, "carol", "another-good-pass") {
		t.Error("carol's password did not move")
	}
	if again := to.doImport(t, nil, file, transfer.ImportOptions{}); again.Created+again.Updated != 0 {
		t.Errorf("the same file again = %+v, want all the same", again.Progress)
	}

	foreign := newServer(t, bare(demo), key(2))
	_, err := foreign.tryImport(t.Context(), nil, strings.NewReader(file), transfer.ImportOptions{MayGive: everything})
	if err == nil {
		t.Fatal("another secrets key: imported, want an error")
	}
	if left := foreign.export(t, nil, withUsers); strings.Count(left, "\n") != 2 {
		t.Errorf("another secrets key: something was written:\n%s", left)
	}
}

func TestWithoutSecretsNewOnesAreDrawn(t *testing.T) {
	from := newServer(t, bare(demo), key(1))
	from.fill(t)
	to := newServer(t, bare(demo), key(1))
	done := to.doImport(t, nil, from.export(t, nil, withUsers), transfer.ImportOptions{})
	want := []string{"resource " + ordersID, "application " + shopID, "application " + robotID, "subscription " + hookID}
	if diff := cmp.Diff(want, done.of("note")); diff != "" {
		t.Errorf("notes (-want +got):\n%s", diff)
	}
	for _, id := range []string{shopID, robotID, ordersID} {
		a, err := from.Live.Item(t.Context(), from.env, store.KindSecret, id, id)
		if err != nil {
			t.Fatal(err)
		}
		b, err := to.Live.Item(t.Context(), to.env, store.KindSecret, id, id)
		if err != nil {
			t.Fatal(err)
		}
		if x, y := a.Document.(*directory.Secret).Current(), b.Document.(*directory.Secret).Current(); y == "" || x == y {
			t.Errorf("%s has the secret of the other server, or none", id)
		}
	}
	if to.password(t, to.env, "carol", "carol-good-pass") {
		t.Error("carol has a password")
	}
}

func TestImportIntoAnotherEnvironment(t *testing.T) {
	s := newServer(t, bare(demo, other), key(1))
	s.fill(t)
	target := s.environment(t, other)
	target.SignOn = s.env.SignOn
	o := transfer.ExportOptions{Users: true, Secrets: true}
	s.doImport(t, target, s.export(t, nil, o), transfer.ImportOptions{})
	back := s.export(t, target, withUsers)
	if strings.Contains(back, demo) || strings.Contains(back, directory.FirstPopulation(demo)) {
		t.Errorf("the copy names the environment that it was made of:\n%s", back)
	}
	for _, id := range []string{directory.FirstPopulation(other), shopID, carolID, `"scope":{"id":"` + other} {
		if !strings.Contains(back, id) {
			t.Errorf("the copy does not have %s:\n%s", id, back)
		}
	}
	if !s.password(t, target, "carol", "carol-good-pass") {
		t.Error("carol's password did not move")
	}
	// And home again: as if it had never been away.
	home := newServer(t, bare(demo), key(1))
	home.doImport(t, nil, s.export(t, target, o), transfer.ImportOptions{})
	if diff := cmp.Diff(s.export(t, nil, withUsers), home.export(t, nil, withUsers)); diff != "" {
		t.Errorf("there and back (-first +last):\n%s", diff)
	}
}

// What the old server signed is good on the new one, which signs on with the same key.
func TestKeysMove(t *testing.T) {
	from, to := newServer(t, bare(demo), key(1)), newServer(t, bare(demo), key(1))
	signer := func(s *server) string {
		t.Helper()
		k, err := s.Keys.Signer(t.Context(), s.env)
		if err != nil {
			t.Fatal(err)
		}
		return k.ID()
	}
	old, own := signer(from), signer(to)
	if plain := from.export(t, nil, withUsers); strings.Contains(plain, old) {
		t.Fatalf("a file without secrets has keys:\n%s", plain)
	}
	file := from.export(t, nil, transfer.ExportOptions{Secrets: true})
	if d := to.doImport(t, nil, file, transfer.ImportOptions{DryRun: true}); d.Created != 2 || signer(to) != own {
		t.Errorf("dry run = %+v, want two keys that would be taken over, and none that is", d.Progress)
	}
	d := to.doImport(t, nil, file, transfer.ImportOptions{})
	if d.Created != 2 {
		t.Errorf("import = %+v, want two keys", d.Progress)
	}
	if got := signer(to); got != old {
		t.Errorf("signer = %s, want that of the other server, %s", got, old)
	}
	ring, err := to.Keys.Ring(t.Context(), to.env)
	if err != nil {
		t.Fatal(err)
	}
	for what, kid := range map[string]string{"the other server's key": old, "the key that signed here": own} {
		if !strings.Contains(string(ring.JWKS), kid) {
			t.Errorf("%s is not published: %s", what, ring.JWKS)
		}
	}
	// The rotation goes on, and an old file does not turn it back.
	for range 40 {
		to.clock.Advance(5 * 24 * time.Hour)
		if err := to.Keys.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	later := signer(to)
	if later == old {
		t.Fatal("the key has not rotated")
	}
	to.doImport(t, nil, file, transfer.ImportOptions{})
	if got := signer(to); got != later {
		t.Errorf("an old file has brought the key %s back, in place of %s", got, later)
	}
	again := to.export(t, nil, transfer.ExportOptions{Secrets: true})
	if d := to.doImport(t, nil, again, transfer.ImportOptions{}); d.Created != 0 || signer(to) == "" {
		t.Errorf("import of the own keys = %+v, want all the same", d.Progress)
	}

	// Into another environment, where they are sealed for that one.
	both := newServer(t, bare(demo, other), key(1))
	target := both.environment(t, other)
	both.doImport(t, target, file, transfer.ImportOptions{})
	k, err := both.Keys.Signer(t.Context(), target)
	if err != nil || k.ID() != old {
		t.Errorf("signer of the other environment = %v, %v; want the key of the file", k, err)
	}
}

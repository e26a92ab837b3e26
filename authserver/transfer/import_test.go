package transfer_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/transfer"
)

const (
	first = `{"format":"gatehouse-environment","version":1,"environment":"` + demo + `","organization":"77777777-0000-4000-8000-000000000001","secrets":false,"users":true}` + "\n"
	end   = `{"end":true}` + "\n"

	aPopulation = `{"kind":"population","id":"` + partners + `","document":{"name":"Partners"}}` + "\n"
	aResource   = `{"kind":"resource","id":"` + ordersID + `","document":{"name":"orders"}}` + "\n"
	aScope      = `{"kind":"scope","id":"` + readID + `","parent":"` + ordersID + `","document":{"name":"orders:read"}}` + "\n"
	aUser       = `{"kind":"user","id":"` + carolID + `","document":{"username":"carol","enabled":true,"claims":{"email":"carol@example.com"}}}` + "\n"
)

func TestBadFiles(t *testing.T) {
	tests := []struct {
		name, file string
		line       int    // to blame; 0: the file is good
		want       string // in the explanation
	}{
		{"good", first + aPopulation + aResource + aScope + aUser + end, 0, ""},
		{"nothing but first and last line", first + end, 0, ""},
		{"without a last line break", first + strings.TrimSuffix(end, "\n"), 0, ""},
		{"empty", "", 0, "the file is empty"},
		{"cut off", first + aPopulation, 2, "not whole"},
		{"cut off in a line", first + aPopulation[:30], 2, "JSON"},
		{"more behind the end", first + end + aPopulation, 3, "follow the last"},
		{"no first line", aPopulation + end, 1, "first of a file"},
		{"another format", strings.Replace(first, "gatehouse-environment", "terraform", 1) + end, 1, "first of a file"},
		{"another version", strings.Replace(first, `"version":1`, `"version":2`, 1) + end, 1, "version 2"},
		{"no environment", strings.Replace(first, demo, "demo", 1) + end, 1, "ID of the environment"},
		{"a first line with more", strings.Replace(first, `"secrets"`, `"x":1,"secrets"`, 1) + end, 1, "first of a file"},
		{"an empty line", first + "\n" + end, 2, "JSON"},
		{"no JSON", first + "population\n" + end, 2, "JSON"},
		{"an array", first + "[]\n" + end, 2, "JSON object"},
		{"two objects in a line", first + strings.TrimSpace(aPopulation) + aResource + end, 2, "JSON object"},
		{"no document", first + `{"kind":"population","id":"x"}` + "\n" + end, 2, "document"},
		{"document null", first + strings.Replace(aPopulation, `{"name":"Partners"}`, "null", 1) + end, 2, "JSON object"},
		{"unknown kind", first + strings.Replace(aPopulation, `"population"`, `"group"`, 1) + end, 2, "unknown kind"},
		{"environment", first + strings.Replace(aPopulation, `"population"`, `"environment"`, 1) + end, 2, "unknown kind"},
		{"unknown member of a line", first + strings.Replace(aPopulation, `"document"`, `"sealde":"","document"`, 1) + end, 2, "sealde"},
		{"unknown member of a document", first + strings.Replace(aPopulation, `"name"`, `"nmae":"x","name"`, 1) + end, 2, "nmae"},
		{"member twice", first + strings.Replace(aPopulation, `"name"`, `"name":"x","name"`, 1) + end, 2, "twice"},
		{"member twice in another case", first + strings.Replace(aPopulation, `"name"`, `"Name":"x","name"`, 1) + end, 2, "twice"},
		{"member twice in a spelling that decoders fold", first + strings.Replace(aUser, `"username"`, `"uſername":"eve","username"`, 1) + end, 2, "twice"},
		{"U+0000", first + strings.Replace(aPopulation, `"Partners"`, `"Part\u0000ners"`, 1) + end, 2, "U+0000"},
		{"wrong type", first + strings.Replace(aPopulation, `"Partners"`, `5`, 1) + end, 2, "name"},
		{"ID with a slash", first + strings.Replace(aPopulation, partners, "a/b", 1) + end, 2, "ID"},
		{"empty ID", first + strings.Replace(aPopulation, partners, "", 1) + end, 2, "id"},
		{"twice", first + aPopulation + aPopulation + end, 3, "twice"},
		{"order", first + aResource + aPopulation + end, 3, "follow"},
		{"no parent", first + aResource + strings.Replace(aScope, `"parent":"`+ordersID+`",`, "", 1) + end, 3, "parent"},
		{"parent of what has none", first + strings.Replace(aResource, `"document"`, `"parent":"x","document"`, 1) + end, 2, "parent"},
		{"parent that is nowhere", first + aScope + end, 2, ""},
		{"sealed where nothing is", first + strings.Replace(aResource, `"document"`, `"sealed":"AAAA","document"`, 1) + end, 2, "sealed"},
		{"sealed by nobody", strings.Replace(first, `"secrets":false`, `"secrets":true`, 1) + strings.Replace(aResource, `"document"`, `"sealed":"AAAA","document"`, 1) + end, 2, "secrets key"},
		{"secret without its sealed part", strings.Replace(first, `"secrets":false`, `"secrets":true`, 1) + `{"kind":"secret","id":"x","parent":"x","document":{}}` + "\n" + end, 2, "sealed"},
		{"secret of another", strings.Replace(first, `"secrets":false`, `"secrets":true`, 1) + `{"kind":"secret","id":"x","parent":"y","document":{}}` + "\n" + end, 2, "parent"},
		{"users where there are none", strings.Replace(first, `"users":true`, `"users":false`, 1) + aUser + end, 2, "user"},
		{"user without a name", first + strings.Replace(aUser, `"username":"carol",`, "", 1) + end, 2, "username"},
		{"user whose name is not folded", first + strings.Replace(aUser, `"carol"`, `"Carol"`, 1) + end, 2, "lower case"},
		{"user whose name is none", first + strings.Replace(aUser, `"carol"`, `"car\u0001ol"`, 1) + end, 2, "username"},
		{"user neither enabled nor not", first + strings.Replace(aUser, `"enabled":true,`, "", 1) + end, 2, "enabled"},
		{"user of a population that is nowhere", first + strings.Replace(aUser, `"enabled"`, `"population":"`+partners+`","enabled"`, 1) + end, 2, "population"},
		{"user of a population in the file", first + aPopulation + strings.Replace(aUser, `"enabled"`, `"population":"`+partners+`","enabled"`, 1) + end, 0, ""},
		{"e-mail address", first + strings.Replace(aUser, "carol@example.com", "carol", 1) + end, 2, "claims.email"},
		{"claim that a terminal would obey", first + strings.Replace(aUser, `"email":`, `"\u001b[2J":1,"email":`, 1) + end, 2, "claims"},
		{"claim of another script", first + strings.Replace(aUser, `"email":`, `"größe":1,"email":`, 1) + end, 0, ""},
		{"username twice", first + aUser + strings.Replace(aUser, carolID, daveID, 1) + end, 3, "username"},
		{"name twice", first + aPopulation + strings.Replace(aPopulation, partners, hookID, 1) + end, 3, "name"},
		{"document that is refused", first + strings.Replace(aPopulation, `"Partners"`, `""`, 1) + end, 2, "name"},
		{"a builtin object that cannot be changed", first + strings.Replace(aResource, ordersID, builtinResource, 1) + end, 2, ""},
	}
	for _, tt := range tests {
		for _, dry := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/dry=%v", tt.name, dry), func(t *testing.T) {
				s := newServer(t, bare(demo), key(1))
				before := s.export(t, nil, withUsers)
				_, err := s.tryImport(t.Context(), nil, strings.NewReader(tt.file), transfer.ImportOptions{DryRun: dry, MayGive: everything})
				if good := tt.line == 0 && tt.want == ""; good != (err == nil) {
					t.Fatalf("accepted = %v, want %v (%s)", err == nil, good, explain(err))
				}
				if err == nil {
					return
				}
				at, ok := errors.AsType[*transfer.Error](err)
				if !ok || at.Line != tt.line {
					t.Errorf("blamed = %s, want line %d", explain(err), tt.line)
				}
				if !strings.Contains(explain(err), tt.want) {
					t.Errorf("explanation = %s, want one that says %s", explain(err), tt.want)
				}
				if dry && s.export(t, nil, withUsers) != before {
					t.Error("a dry run has changed something")
				}
			})
		}
	}
}

var builtinResource = directory.BuiltinID(demo, store.KindResource, "openid")

func TestDeclaredObjectsAreLeftAlone(t *testing.T) {
	config := bare(demo)
	config.Environments[0].Users = declaredUsers
	config.Environments[0].Resources = declaredResources
	s := newServer(t, config, key(1))
	file := s.export(t, nil, transfer.ExportOptions{Users: true, Declared: true})
	for _, want := range []string{`"id":"orders"`, `"username":"alice"`} {
		if !strings.Contains(file, want) {
			t.Fatalf("the export with what is declared lacks %s:\n%s", want, file)
		}
	}
	if plain := s.export(t, nil, withUsers); strings.Contains(plain, "orders") || strings.Contains(plain, "alice") {
		t.Errorf("the export without what is declared has some of it:\n%s", plain)
	}
	if d := s.doImport(t, nil, file, transfer.ImportOptions{}); d.Created+d.Updated+d.Deleted != 0 {
		t.Errorf("import of what is declared as it is = %+v, want all the same", d.Progress)
	}
	for name, file := range map[string]string{
		"resource": strings.Replace(file, `"name":"orders"`, `"name":"Orders"`, 1),
		"user":     strings.Replace(file, `"username":"alice"`, `"username":"alicia"`, 1),
	} {
		_, err := s.tryImport(t.Context(), nil, strings.NewReader(file), transfer.ImportOptions{MayGive: everything})
		if !strings.Contains(explain(err), "Caddyfile:9") {
			t.Errorf("%s: error = %s, want one that says where it is declared", name, explain(err))
		}
	}
	// On a server that declares nothing they become objects like others, and passwords come along.
	full := s.export(t, nil, transfer.ExportOptions{Users: true, Declared: true, Secrets: true})
	if strings.Contains(full, "alice-demo-pass") {
		t.Fatal("the file has a declared password in clear")
	}
	to := newServer(t, bare(demo), key(1))
	to.doImport(t, nil, full, transfer.ImportOptions{})
	if !to.password(t, to.env, "alice", "alice-demo-pass") {
		t.Error("alice's password did not move")
	}
	if diff := cmp.Diff(strings.Split(file, "\n"), strings.Split(to.export(t, nil, withUsers), "\n")); diff != "" {
		t.Errorf("the same as declared and as stored (-declared +stored):\n%s", diff)
	}
}

func TestDryRunTellsTheDifference(t *testing.T) {
	s := newServer(t, bare(demo), key(1))
	s.fill(t)
	file := s.export(t, nil, transfer.ExportOptions{Users: true, Secrets: true})
	dry := transfer.ImportOptions{DryRun: true, Prune: true}
	if d := s.doImport(t, nil, file, dry); d.differences != nil || d.Same == 0 {
		t.Errorf("differences of what is there = %+v, want none", d.differences)
	}
	s.update(t, store.KindApplication, "", shopID, func(d directory.Document) {
		a := d.(*directory.Application)
		a.Name, a.Description = "Other shop", ptr("new")
	})
	s.setPassword(t, carolID, "another-good-pass")
	if err := s.Writer.DeleteUser(t.Context(), actor, s.env, daveID, directory.Precondition{}); err != nil {
		t.Fatal(err)
	}
	extra, err := s.Writer.Create(t.Context(), actor, s.env, directory.New{Document: &directory.Population{Name: "Extra"}})
	if err != nil {
		t.Fatal(err)
	}
	before := s.export(t, nil, withUsers)
	d := s.doImport(t, nil, file, dry)
	want := []string{
		"delete population " + extra.ID + " Extra", "update application " + shopID + " Shop", "update user " + carolID + " carol",
		"create user " + daveID + " dave",
	}
	var got []string
	for _, one := range d.differences {
		got = append(got, strings.Join([]string{one.Action, string(one.Kind), one.ID, one.Name}, " "))
		switch one.ID {
		case shopID:
			if diff := cmp.Diff([]transfer.MemberChange{
				{Member: "description", Before: []byte(`"new"`)}, {Member: "name", Before: []byte(`"Other shop"`), After: []byte(`"Shop"`)},
			}, one.Changes); diff != "" {
				t.Errorf("changes of the application (-want +got):\n%s", diff)
			}
		case carolID:
			if !one.Secret || one.Changes != nil {
				t.Errorf("difference of carol = %+v, want the secret alone", one)
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("differences (-want +got):\n%s", diff)
	}
	if d.Created != 1 || d.Updated != 2 || d.Deleted != 1 {
		t.Errorf("result = %+v, want 1 created, 2 updated, 1 deleted", d.Progress)
	}
	if s.export(t, nil, withUsers) != before {
		t.Error("a dry run has changed something")
	}
	s.doImport(t, nil, file, transfer.ImportOptions{Prune: true})
	if d := s.doImport(t, nil, file, dry); d.differences != nil {
		t.Errorf("differences after the import = %+v, want none", d.differences)
	}
}

func TestPruneLeavesWhatTheFileSays(t *testing.T) {
	s := newServer(t, bare(demo), key(1))
	s.fill(t)
	full := s.export(t, nil, transfer.ExportOptions{Users: true, Secrets: true})
	empty := first + end
	d := s.doImport(t, nil, empty, transfer.ImportOptions{Prune: true})
	if left := strings.Count(s.export(t, nil, withUsers), "\n"); d.Deleted < 10 || left != 2 {
		t.Errorf("pruned to nothing = %+v, %d lines left, want none", d.Progress, left-2)
	}
	s.doImport(t, nil, full, transfer.ImportOptions{Prune: true})
	if d := s.doImport(t, nil, full, transfer.ImportOptions{DryRun: true, Prune: true}); d.differences != nil {
		t.Errorf("differences after all came back = %+v, want none", d.differences)
	}
	// An application under another ID has the name of one that goes.
	renamed := strings.ReplaceAll(full, robotID, "11111111-0000-4000-8000-00000000000f")
	renamed = regexp.MustCompile(`(?m)^.*"kind":"(secret|role_assignment|application_attribute|resource_attribute|grant)".*\n`).ReplaceAllString(renamed, "")
	d = s.doImport(t, nil, renamed, transfer.ImportOptions{Prune: true})
	if !slices.Contains(d.of("note"), "application 11111111-0000-4000-8000-00000000000f") {
		t.Errorf("notes = %v, want one about the new application", d.of("note"))
	}
	if got := s.export(t, nil, withUsers); strings.Contains(got, robotID) {
		t.Errorf("the old application is still there:\n%s", got)
	}
	// People are left alone by a file without any.
	people := s.export(t, nil, withUsers)
	s.doImport(t, nil, s.export(t, nil, transfer.ExportOptions{}), transfer.ImportOptions{Prune: true})
	if s.export(t, nil, withUsers) != people {
		t.Error("a file without users has changed users")
	}
}

// A prune that would fail later has deleted nothing.
func TestPruneChecksFirst(t *testing.T) {
	s := newServer(t, bare(demo), key(1))
	s.fill(t)
	before := s.export(t, nil, withUsers)
	file := first + strings.Replace(aPopulation, `"Partners"`, `""`, 1) + end
	if _, err := s.tryImport(t.Context(), nil, strings.NewReader(file), transfer.ImportOptions{Prune: true, MayGive: everything}); err == nil {
		t.Fatal("imported, want an error")
	}
	if s.export(t, nil, withUsers) != before {
		t.Error("something has been deleted")
	}
}

// Nobody gives a role by a file that they could not give by themselves.
func TestRolesNeedWhatTheyGive(t *testing.T) {
	s := newServer(t, bare(demo), key(1))
	s.fill(t)
	file := s.export(t, nil, withUsers)
	for name, may := range map[string]func(*directory.RoleAssignment) bool{
		"nobody asked": nil,
		"none":         func(*directory.RoleAssignment) bool { return false },
		"one of two":   func(a *directory.RoleAssignment) bool { return a.Holder == directory.HolderUser },
	} {
		to := newServer(t, bare(demo), key(1))
		_, err := to.tryImport(t.Context(), nil, strings.NewReader(file), transfer.ImportOptions{MayGive: may})
		if at, ok := errors.AsType[*transfer.Error](err); !ok || at.Kind != store.KindRoleAssignment {
			t.Errorf("%s: error = %v, want one about a role assignment", name, err)
		}
	}
	// What is there already is not given.
	if _, err := s.tryImport(t.Context(), nil, strings.NewReader(file), transfer.ImportOptions{}); err != nil {
		t.Errorf("import of what is there = %v, want no error", err)
	}
}

// A client that goes away stops the import behind a batch.
func TestImportStopsBetweenBatches(t *testing.T) {
	var b strings.Builder
	b.WriteString(first)
	for i := range 1200 {
		fmt.Fprintf(&b, `{"kind":"user","id":"66666666-0000-4000-8000-%012d","document":{"username":"user%d","enabled":true}}`+"\n", i, i)
	}
	b.WriteString(end)
	s := newServer(t, bare(demo), key(1))
	ctx, cancel := context.WithCancel(t.Context())
	done, err := s.Import(ctx, actor, s.env, strings.NewReader(b.String()), transfer.ImportOptions{}, func(p transfer.Progress, _ *transfer.Difference) {
		if p.Created == 500 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || done.Created != 500 {
		t.Errorf("import = %+v, %v; want 500 created and the context's error", done, err)
	}
	if got := strings.Count(s.export(t, nil, withUsers), `"kind":"user"`); got != 500 {
		t.Errorf("%d users are there, want 500", got)
	}
	if d := s.doImport(t, nil, b.String(), transfer.ImportOptions{}); d.Created != 700 || d.Same != 500 {
		t.Errorf("the same file again = %+v, want 700 created and 500 the same", d.Progress)
	}
}

// Two files at once would make something that neither of them says.
func TestOneImportAtATime(t *testing.T) {
	s := newServer(t, bare(demo, other), key(1))
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := s.tryImport(t.Context(), nil, r, transfer.ImportOptions{})
		done <- err
	}()
	if _, err := io.WriteString(w, first); err != nil { // it is reading
		t.Fatal(err)
	}
	_, err := s.tryImport(t.Context(), nil, strings.NewReader(first+end), transfer.ImportOptions{})
	if !strings.Contains(explain(err), "under way") {
		t.Errorf("second import = %v, want it refused", err)
	}
	if _, err := s.tryImport(t.Context(), s.environment(t, other), strings.NewReader(first+end), transfer.ImportOptions{}); err != nil {
		t.Errorf("import into another environment = %v, want no error", err)
	}
	if _, err := io.WriteString(w, end); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	if err := <-done; err != nil {
		t.Errorf("first import = %v", err)
	}
	if _, err := s.tryImport(t.Context(), nil, strings.NewReader(first+end), transfer.ImportOptions{}); err != nil {
		t.Errorf("import behind it = %v, want no error", err)
	}
}

// An export that fails is not whole, and is refused.
func TestExportThatFailsIsNotImported(t *testing.T) {
	s := newServer(t, bare(demo), key(1))
	s.fill(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var b strings.Builder
	if err := s.Export(ctx, s.env, &b, withUsers); err == nil {
		t.Fatal("exported, want an error")
	}
	if err := s.Export(t.Context(), s.env, failing{}, withUsers); err == nil {
		t.Fatal("exported to nowhere, want an error")
	}
	if strings.Contains(b.String(), `"end"`) {
		t.Errorf("the file says that it is whole:\n%s", b.String())
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// Whatever a file says, there is no panic, and what is accepted is there afterwards.
func FuzzImport(f *testing.F) {
	s := newServer(f, bare(demo), key(1))
	s.fill(f)
	for line := range strings.Lines(s.export(f, nil, withUsers)) {
		f.Add(line)
	}
	f.Add(aPopulation)
	f.Add(aScope)
	f.Add(`{"kind":"user","id":"x","document":{"username":"x","enabled":false,"claims":{"a":[{"b":1e400}]}}}`)
	f.Fuzz(func(t *testing.T, line string) {
		file := first + strings.TrimSuffix(line, "\n") + "\n" + end
		_, err := s.tryImport(t.Context(), nil, strings.NewReader(file), transfer.ImportOptions{DryRun: true, MayGive: everything})
		if _, ok := errors.AsType[*transfer.Error](err); err != nil && !ok {
			t.Fatalf("error = %v, want one that says where", err)
		}
	})
}

// Files are kept on disk while they are imported: so many at once, and not all of one organization.
func TestImportsAtATime(t *testing.T) {
	s := newServer(t, bare(demo), key(1))
	into := func(organization string, n int) *store.Environment {
		env := *s.env
		env.ID, env.Organization = fmt.Sprintf("%s-%d", organization, n), organization
		return &env
	}
	var running sync.WaitGroup
	var open []*io.PipeWriter
	begin := func(env *store.Environment) {
		r, w := io.Pipe()
		open = append(open, w)
		running.Go(func() {
			_, _ = s.tryImport(t.Context(), env, r, transfer.ImportOptions{})
			_ = r.Close()
		})
		if _, err := io.WriteString(w, first); err != nil { // it is reading
			t.Fatal(err)
		}
	}
	refused := func(env *store.Environment) bool {
		_, err := s.tryImport(t.Context(), env, strings.NewReader(""), transfer.ImportOptions{})
		return strings.Contains(explain(err), "Too many imports")
	}
	for n := range 4 {
		begin(into("a", n))
	}
	if !refused(into("a", 4)) || refused(into("b", 0)) {
		t.Error("4 imports of one organization: want a fifth refused, and none of another organization")
	}
	for n := range 4 {
		begin(into("b", n))
	}
	if !refused(into("c", 0)) {
		t.Error("8 imports: want another one refused")
	}
	for _, w := range open {
		_ = w.Close()
	}
	running.Wait()
	if refused(into("c", 0)) || refused(into("a", 0)) {
		t.Error("an import is refused after the others have ended")
	}
}

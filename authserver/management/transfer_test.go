package management_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/transfer"
)

const lines = "application/x-ndjson"

// importLine is a line of the answer to an import.
type importLine struct {
	Progress   *transfer.Progress   `json:"progress"`
	Difference *transfer.Difference `json:"difference"`
	Result     *transfer.Progress   `json:"result"`
	Error      map[string]any       `json:"error"`
}

// lines reads an answer of lines of JSON.
func (a *answer) lines() (all []importLine) {
	a.t.Helper()
	for line := range strings.Lines(string(a.Body)) {
		var l importLine
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			a.t.Fatalf("%s: %v: %s", a.what, err, line)
		}
		all = append(all, l)
	}
	if len(all) == 0 {
		a.t.Fatalf("%s: no lines", a.what)
	}
	return all
}

func TestExportAndImport(t *testing.T) {
	k := newKit(t)
	admin := k.as(root)
	made := admin.post("/{env}/populations", `{"name":"Partners"}`).is(http.StatusCreated)
	admin.post("/{env}/users", `{"username":"carol","email":"carol@example.com","population":{"id":"`+made.text("id")+`"}}`).is(http.StatusCreated)

	file := admin.get("/{env}/export").is(http.StatusOK)
	if got := file.Header.Get("Content-Type"); got != lines {
		t.Errorf("Content-Type = %q, want %q", got, lines)
	}
	if got := file.Header.Get("Cache-Control"); !strings.Contains(got, "no-store") {
		t.Errorf("Cache-Control = %q, want no-store", got)
	}
	text := string(file.Body)
	for _, want := range []string{"Partners", "carol@example.com", `{"end":true}` + "\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("the file lacks %s:\n%s", want, text)
		}
	}
	if strings.Contains(text, "alice") || !strings.Contains(string(admin.get("/{env}/export?declared=true").is(200).Body), "alice") {
		t.Error("declared=true does not decide about what is declared")
	}
	if strings.Contains(string(admin.get("/{env}/export?users=false").is(200).Body), "carol") {
		t.Error("users=false: the file has people")
	}

	// Into an environment of another organization.
	there := k.as(foreign)
	into := func(query, body string) *answer {
		return there.post("/environments/"+stranger+"/import"+query, body, "Content-Type", lines)
	}
	dry := into("?dryRun=true", text).is(http.StatusOK).lines()
	var created []store.ObjectKind
	for _, l := range dry {
		if l.Difference != nil && l.Difference.Action == "create" {
			created = append(created, l.Difference.Kind)
		}
	}
	if len(created) != 2 || dry[len(dry)-1].Result == nil || dry[len(dry)-1].Result.Created != 2 {
		t.Errorf("dry run = %+v, want two that are created, and the result", dry)
	}
	if strings.Contains(string(there.get("/environments/"+stranger+"/export").is(200).Body), "carol") {
		t.Fatal("the dry run has written something")
	}
	done := into("", text).is(http.StatusOK).lines()
	if last := done[len(done)-1]; last.Result == nil || last.Result.Created != 2 || last.Error != nil {
		t.Errorf("last line = %+v, want the result with 2 created", last)
	}
	if again := into("?prune=true", text).is(http.StatusOK).lines(); again[len(again)-1].Result.Same != 2 {
		t.Errorf("the same once more = %+v, want 2 the same", again[len(again)-1])
	}
	if !strings.Contains(string(there.get("/environments/"+stranger+"/export").is(200).Body), "carol") {
		t.Error("the import has written nothing")
	}
	for env, action := range map[string]string{home: "ENVIRONMENT.EXPORTED", stranger: "ENVIRONMENT.IMPORTED"} {
		who := map[string]string{home: root, stranger: foreign}[env]
		events, err := k.Store.ListEvents(t.Context(), store.EventFilter{Environment: env, Action: action}, "", 10, k.Clock.Now())
		if err != nil || len(events) == 0 || events[0].Client != who {
			t.Errorf("%s in the audit log = %v, %v; want who did it", action, events, err)
		}
	}
}

func TestImportRefusals(t *testing.T) {
	k := newKit(t)
	const first = `{"format":"gatehouse-environment","version":1,"environment":"` + home + `","organization":"` + organizationID + `","secrets":false,"users":true}` + "\n"
	const end = `{"end":true}` + "\n"
	good := first + end
	admin := k.as(root)
	admin.post("/{env}/import", good, "Content-Type", lines).is(http.StatusOK)
	admin.post("/{env}/import", good, "Content-Type", "application/jsonl").is(http.StatusOK)
	admin.post("/{env}/import", good).refused(http.StatusUnsupportedMediaType, "INVALID_REQUEST")
	admin.post("/{env}/import?dryRun=yes", good, "Content-Type", lines).refused(http.StatusBadRequest, "INVALID_DATA", "INVALID_PARAMETER", "dryRun")
	admin.get("/{env}/export?secrets=1").refused(http.StatusBadRequest, "INVALID_DATA", "INVALID_PARAMETER", "secrets")

	a := admin.post("/{env}/import", first+`{"kind":"population","id":"x","document":{"name":""}}`+"\n"+end, "Content-Type", lines)
	a.refused(http.StatusBadRequest, "INVALID_DATA", "REQUIRED_VALUE", "name")
	if a.at("details.0.innerError.line") != 2.0 || a.text("details.0.innerError.kind") != "population" || !strings.Contains(a.text("details.0.message"), "Line 2") {
		t.Errorf("body = %s, want one that says where", a.Body)
	}
	// One that fails after something has been said says so in its last line.
	a = admin.post("/{env}/import", first+`{"kind":"population","id":"x","document":{"name":"X"}}`+"\n"+
		`{"kind":"scope","id":"y","parent":"nowhere","document":{"name":"y"}}`+"\n"+end, "Content-Type", lines).is(http.StatusOK)
	all := a.lines()
	if last := all[len(all)-1]; last.Error == nil || last.Result != nil || last.Error["id"] != a.Header.Get("Correlation-Id") {
		t.Errorf("last line = %s, want an error", a.Body)
	}
	if !strings.Contains(k.Log.String(), "request refused") {
		t.Error("the failed import is not in the log")
	}

	for _, who := range []string{nobody, developer, identityReader, configurationReader, helpDesk} {
		k.as(who).post("/{env}/import", good, "Content-Type", lines).refused(http.StatusForbidden, "ACCESS_FAILED")
	}
	for _, who := range []string{nobody, developer, helpDesk} {
		k.as(who).get("/{env}/export").refused(http.StatusForbidden, "ACCESS_FAILED")
	}
	k.as(foreign).post("/{env}/import", good, "Content-Type", lines).is(http.StatusNotFound)
}

// Roles are given through a file by whoever could give them otherwise, and by nobody else.
func TestImportGivesNoRolesBeyondTheCallers(t *testing.T) {
	k := newKit(t)
	admin := k.as(root)
	worker := admin.post("/{env}/applications", `{"name":"Robot","enabled":true,"protocol":"OPENID_CONNECT","type":"WORKER",
		"tokenEndpointAuthMethod":"CLIENT_SECRET_BASIC","grantTypes":["CLIENT_CREDENTIALS"]}`).is(http.StatusCreated).text("id")
	roles := admin.get("/roles").is(http.StatusOK)
	role := ""
	for _, r := range roles.at("_embedded.roles").([]any) {
		if r.(map[string]any)["name"] == "Organization Admin" {
			role = r.(map[string]any)["id"].(string)
		}
	}
	admin.post("/{env}/applications/"+worker+"/roleAssignments", `{"role":{"id":"`+role+`"},"scope":{"id":"`+organizationID+`","type":"ORGANIZATION"}}`).is(http.StatusCreated)
	file := string(admin.get("/{env}/export").is(http.StatusOK).Body)

	// Who imports could replace the worker's secret, and act as the worker.
	k.as(environmentAdmin).post("/{env}/import", file, "Content-Type", lines).refused(http.StatusForbidden, "ACCESS_FAILED")
	assignments := "/{env}/applications/" + worker + "/roleAssignments"
	admin.del(assignments + "/" + admin.get(assignments).is(http.StatusOK).text("_embedded.roleAssignments.0.id")).is(http.StatusNoContent)
	// Somebody who may import, and has not the role that the file gives.
	organizer := admin.post("/{env}/applications", `{"name":"Organizer","enabled":true,"protocol":"OPENID_CONNECT","type":"WORKER",
		"tokenEndpointAuthMethod":"CLIENT_SECRET_BASIC","grantTypes":["CLIENT_CREDENTIALS"]}`).is(http.StatusCreated).text("id")
	for _, r := range roles.at("_embedded.roles").([]any) {
		if name := r.(map[string]any)["name"]; name == "Environment Admin" || name == "Identity Data Admin" {
			admin.post("/{env}/applications/"+organizer+"/roleAssignments", `{"role":{"id":"`+r.(map[string]any)["id"].(string)+`"},"scope":{"id":"`+home+`","type":"ENVIRONMENT"}}`).is(http.StatusCreated)
		}
	}
	answer := k.as(organizer).post("/{env}/import", file, "Content-Type", lines)
	if !strings.Contains(string(answer.Body), "INSUFFICIENT_PERMISSIONS") || strings.Contains(string(answer.Body), `"result"`) {
		t.Errorf("body = %s, want a refusal", answer.Body)
	}
	if got := admin.get(assignments).is(http.StatusOK).at("size"); got != 0.0 {
		t.Errorf("%v role assignments, want none", got)
	}
}

// A file with secrets can be opened by importing it elsewhere, and brings keys that somebody may know: neither is a way to
// the roles of who has more.
func TestFilesAreNoWayToRoles(t *testing.T) {
	k := newKit(t)
	admin := k.as(root)
	organizer := k.worker("Organizer")
	for _, a := range []map[string]any{
		assign(directory.RoleEnvironmentAdmin, "ENVIRONMENT", home), assign(directory.RoleIdentityDataAdmin, "ENVIRONMENT", home),
		assign(directory.RoleEnvironmentAdmin, "ENVIRONMENT", sibling),
	} {
		admin.post("/{env}/applications/"+organizer+"/roleAssignments", a).is(http.StatusCreated)
	}
	who := k.as(organizer)

	// home has workers that are Organization Admin; sibling has nobody.
	who.get("/{env}/export?secrets=true&declared=true").refused(http.StatusForbidden, "ACCESS_FAILED")
	who.get("/{env}/export?declared=true").is(http.StatusOK)
	who.get("/{env}/export?secrets=true").is(http.StatusOK)
	admin.get("/{env}/export?secrets=true&declared=true").is(http.StatusOK)
	stored := k.worker("Stored")
	given := admin.post("/{env}/applications/"+stored+"/roleAssignments", assign(directory.RoleOrganizationAdmin, "ORGANIZATION", organizationID)).is(http.StatusCreated).text("id")
	who.get("/{env}/export?secrets=true").refused(http.StatusForbidden, "ACCESS_FAILED")
	who.get("/{env}/export").is(http.StatusOK)
	admin.del("/{env}/applications/" + stored + "/roleAssignments/" + given).is(http.StatusNoContent)

	who.get("/environments/" + sibling + "/keys").is(http.StatusOK) // draws them
	file := string(who.get("/environments/" + sibling + "/export?secrets=true&users=false").is(http.StatusOK).Body)
	if !strings.Contains(file, `{"kind":"key"`) {
		t.Fatalf("the file has no keys: %s", file)
	}
	a := who.post("/{env}/import", file, "Content-Type", lines)
	if !strings.Contains(string(a.Body), "INSUFFICIENT_PERMISSIONS") || strings.Contains(string(a.Body), `"result"`) {
		t.Errorf("an import of keys where somebody has more roles = %s, want a refusal", a.Body)
	}
	a = admin.post("/{env}/import", file, "Content-Type", lines)
	if all := a.lines(); all[len(all)-1].Result == nil {
		t.Errorf("the same import by who has them all = %s, want a result", a.Body)
	}
}

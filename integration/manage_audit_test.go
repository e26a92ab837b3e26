package integration_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestAudit: each change is a line of the audit log, in the API and in the server's log; what changes nothing is none. Neither
// has a secret in it, nor has anything else that the server leaves behind (node.checkSilence looks for that when it has ended).
func TestAudit(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		n := start(t, config{storage: b, env: transferEnv, other: attackOther}) // at DEBUG
		c := openConsole(t, n)
		n.secret("the secret of the other administrator", otherAdminPass)
		var e *estate
		seen := map[string]bool{}
		// changes gives the actions that were logged since it was called last: by the server, and by the API.
		changes := func() []string {
			t.Helper()
			var lines, events []string
			for id, line := range n.auditLines() {
				if !seen[id] {
					lines = append(lines, fmt.Sprint(id, " ", line["action"], " ", line["object"], " ", line["client"]))
				}
			}
			var actions []string
			for _, a := range c.list(t, "/activities", "activities") {
				id := a["id"].(string)
				if seen[id] {
					continue
				}
				seen[id] = true
				action := a["action"].(object)["type"].(string)
				events = append(events, fmt.Sprint(id, " ", action, " ", a["resources"].([]any)[0].(object)["id"], " ", a["actors"].(object)["client"].(object)["id"]))
				actions = append(actions, action)
			}
			slices.Sort(lines)
			slices.Sort(events)
			if !slices.Equal(lines, events) {
				t.Errorf("the server's log has\n%s\nand the API\n%s", strings.Join(lines, "\n"), strings.Join(events, "\n"))
			}
			slices.Sort(actions)
			return actions
		}
		e = c.build(t, mainEnv)
		changes()

		person, app, api := "/users/"+e.user, "/applications/"+e.application, "/resources/"+e.resource
		const fresh = "audited-5Wc3-password"
		n.secret("a new password", fresh)
		for _, tt := range []struct {
			method, path string
			body         any
			kind         string // media type
			want         string // actions, sorted
		}{
			{"GET", app, nil, "", ""},
			{"GET", app + "/secret", nil, "", ""},
			{"PUT", app, c.with(aService("estate"), "type", "WORKER", "description", "audited"), "", "APPLICATION.UPDATED"},
			{"POST", app + "/secret", object{"previous": object{"expiresAt": time.Now().Add(time.Hour).UTC().Format(time.RFC3339)}}, "", "SECRET.ROTATED"},
			{"DELETE", app + "/secret", nil, "", "SECRET.PREVIOUS_DELETED"},
			{"POST", app + "/grants", object{}, "", ""}, // refused
			{"DELETE", app + "/grants/" + e.grant, nil, "", "GRANT.DELETED"},
			{"PUT", app + "/attributes/" + e.mapping, object{"name": "colour", "value": "blue", "required": false}, "", "APPLICATION_ATTRIBUTE.UPDATED"},
			{"DELETE", app + "/roleAssignments/" + e.assignment, nil, "", "ROLE_ASSIGNMENT.DELETED"},
			{"POST", api + "/scopes", object{"name": "estate:write"}, "", "SCOPE.CREATED"},
			{"POST", api + "/scopes", object{"name": "estate:write"}, "", ""}, // refused
			{"PUT", api + "/scopes/" + e.scope, object{"name": "estate:look"}, "", "SCOPE.UPDATED"},
			{"PUT", person, object{"username": "estate-owner", "email": "owner2@example.com"}, "", "USER.UPDATED"},
			{"PATCH", person, object{"nickname": "Es"}, "", "USER.UPDATED"},
			{"PUT", person + "/enabled", object{"enabled": false}, "", "USER.UPDATED"},
			{"PUT", person + "/password", object{"value": fresh}, typeSet, "PASSWORD.SET"},
			{"POST", person, nil, typeLock, "USER.LOCKED"},
			{"PUT", person + "/population", ref(noID), "", ""}, // refused
			{"PUT", "/populations/" + e.population, object{"name": "estate", "description": "audited"}, "", "POPULATION.UPDATED"},
			{"PUT", "/keys/" + e.key, object{"default": false, "usageType": "ENCRYPTION"}, "", "KEY.UPDATED"},
			{"DELETE", "/keys/" + e.key, nil, "", "KEY.DELETED"},
			{"POST", "/subscriptions/" + e.subscription + "/secret", object{}, "", "SUBSCRIPTION.SECRET_ROTATED"},
			{"DELETE", "/subscriptions/" + e.subscription, nil, "", "SUBSCRIPTION.DELETED"},
			{"DELETE", person, nil, "", "USER.DELETED"},
			{"DELETE", person, nil, "", ""}, // not there any more
			{"GET", "/export", nil, "", "ENVIRONMENT.EXPORTED"},
		} {
			var header []string
			if tt.kind != "" {
				header = []string{"Content-Type", tt.kind}
			}
			a := c.send(t, tt.method, tt.path, tt.body, header...)
			if refused := tt.want == "" && tt.method != "GET"; refused != (a.status >= 400) {
				t.Fatalf("%s %s: %d %s", tt.method, tt.path, a.status, a.body)
			}
			if strings.HasSuffix(tt.path, "/secret") && tt.method == "POST" {
				secret, _ := a.object(t)["secret"].(string)
				n.secret("a rotated secret", secret)
			}
			if got := strings.Join(changes(), " "); got != tt.want {
				t.Errorf("%s %s is logged as %q, want %q", tt.method, strings.TrimPrefix(tt.path, "/"), got, tt.want)
			}
		}
		// Who may not is not logged as one who did.
		foreigner := &console{n, c.origin, n.workerToken(t, otherEnv, otherAdmin, otherAdminPass, "")}
		foreigner.want(t, http.StatusForbidden, http.MethodDelete, app, nil)
		if got := changes(); len(got) > 0 {
			t.Errorf("a refused deletion is logged as %v", got)
		}

		// One line says what was there before and after, and who did it.
		found := c.list(t, "/activities?filter="+url.QueryEscape(`action.type eq "SCOPE.UPDATED" and actors.client.id eq "`+sdkAdmin+`"`), "activities")
		if len(found) != 1 {
			t.Fatalf("a filter finds %d lines, want 1", len(found))
		}
		changed, _ := found[0]["changes"].(object)
		before, _ := changed["before"].(object)
		after, _ := changed["after"].(object)
		if before["name"] != "estate:read" || after["name"] != "estate:look" {
			t.Errorf("before and after = %v, want the names of the scope", changed)
		}
		if line := n.auditLines()[found[0]["id"].(string)]; line["correlation_id"] != found[0]["correlationId"] || line["environment"] != mainEnv || line["level"] != "info" {
			t.Errorf("line = %v", line)
		}
	})
}

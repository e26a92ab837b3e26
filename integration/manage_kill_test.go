package integration_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// TestManageKill ends the process in the middle of many creations: what was acknowledged is there, with its line of
// the audit log, and of what was not there is all or nothing.
func TestManageKill(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		n := start(t, config{storage: b, env: sdkEnv, info: true})
		c := openConsole(t, n)
		var mu sync.Mutex
		var next atomic.Int64
		acknowledged := map[string]string{} // IDs, and which kind it is
		enough := func() bool { mu.Lock(); defer mu.Unlock(); return len(acknowledged) >= 150 }
		storm(t, n, 12, enough, func() bool {
			i := next.Add(1)
			path, body := "/applications", aService(fmt.Sprint("storm ", i))
			if i%3 == 0 {
				path, body = "/users", object{"username": fmt.Sprint("storm", i), "email": fmt.Sprintf("storm%d@example.com", i)}
			}
			a, err := n.try(c.request(http.MethodPost, path, body))
			var made struct {
				ID string `json:"id"`
			}
			if err != nil || a.status != http.StatusCreated || json.Unmarshal([]byte(a.body), &made) != nil {
				return false
			}
			mu.Lock()
			defer mu.Unlock()
			acknowledged[made.ID] = path
			return true
		})
		if len(acknowledged) < 20 {
			t.Fatalf("only %d were created before the kill; the storm is too weak to show anything", len(acknowledged))
		}
		n.run(t)

		there := map[string]string{}
		for _, a := range c.list(t, "/applications", "applications") {
			if strings.HasPrefix(a["name"].(string), "storm ") {
				there[a["id"].(string)] = "/applications"
			}
		}
		for _, u := range c.list(t, "/users?filter="+url.QueryEscape(`username sw "storm"`), "users") {
			there[u["id"].(string)] = "/users"
		}
		for id, path := range acknowledged {
			if there[id] != path {
				t.Errorf("%s/%s was acknowledged and is not there", path, id)
			}
		}
		// Whatever is there is whole.
		created := map[string]int{}
		for _, e := range c.list(t, "/activities", "activities") {
			if action := e["action"].(object)["type"].(string); action == "APPLICATION.CREATED" || action == "USER.CREATED" {
				created[e["resources"].([]any)[0].(object)["id"].(string)]++
			}
		}
		for id, path := range there {
			if created[id] != 1 {
				t.Errorf("%s/%s has %d lines in the audit log, want 1", path, id, created[id])
			}
			if path != "/applications" {
				continue
			}
			core := 0
			for _, m := range c.list(t, path+"/"+id+"/attributes", "attributes") {
				if m["mappingType"] == "CORE" && m["name"] == "sub" {
					core++
				}
			}
			if core != 1 {
				t.Errorf("%s/%s has %d core mappings, want 1", path, id, core)
			}
			// Its secret authenticates it; it has been granted nothing.
			if a := n.tryWorker(t, mainEnv, id, c.secretOf(t, path+"/"+id), ""); a.oauthError() != "invalid_scope" {
				t.Errorf("%s/%s at the token endpoint: %d %s, want invalid_scope", path, id, a.status, a.body)
			}
		}
		for id := range created {
			if there[id] == "" {
				t.Errorf("the audit log has the creation of %s, which is not there", id)
			}
		}
		t.Logf("%s: %d acknowledged, %d there", b.name(), len(acknowledged), len(there))
	})
}

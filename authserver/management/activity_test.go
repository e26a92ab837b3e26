package management_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"time"
)

func escape(s string) string { return url.QueryEscape(s) }

func stringOf(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestActivities(t *testing.T) {
	k := newKit(t)
	admin := k.as(root)
	made := admin.post("/{env}/populations", `{"name":"Partners"}`).is(http.StatusCreated)
	id := made.text("id")
	k.Clock.Advance(time.Second)
	admin = k.as(root)
	admin.put("/{env}/populations/"+id, `{"name":"Friends"}`).is(http.StatusOK)
	k.Clock.Advance(time.Second)
	reader := k.as(environmentAdmin)

	all := reader.page("/{env}/activities?limit=1", "activities", 1)
	if len(all) < 2 {
		t.Fatalf("%d activities, want 2 at least", len(all))
	}
	for i := 1; i < len(all); i++ {
		if all[i]["id"].(string) >= all[i-1]["id"].(string) {
			t.Fatal("the newest is not first")
		}
	}
	list := reader.get("/{env}/activities?filter=" + escape(`resources.id eq "`+id+`"`)).is(http.StatusOK)
	if list.at("size") != 2.0 || list.text("_embedded.activities.0.action.type") != "POPULATION.UPDATED" {
		t.Fatalf("activities of the population = %s", list.Body)
	}
	one := reader.get("/{env}/activities/" + list.text("_embedded.activities.0.id")).is(http.StatusOK)
	one.has(`{"recordedAt":"2026-03-01T12:00:01.000Z","createdAt":"2026-03-01T12:00:01.000Z","correlationId":"` + one.text("correlationId") + `",
		"action":{"type":"POPULATION.UPDATED","description":"Population Updated"},
		"actors":{"client":{"id":"root","name":"root","type":"CLIENT","environment":{"id":"` + home + `"},"href":"` + apiURL + `/v1/environments/` + home + `/applications/root"}},
		"resources":[{"type":"POPULATION","id":"` + id + `","name":"Friends","environment":{"id":"` + home + `"},"href":"` + apiURL + `/v1/environments/` + home + `/populations/` + id + `"}],
		"result":{"status":"SUCCESS","description":"Population Updated Friends"}}`)
	if one.text("changes.before.name") != "Partners" || one.text("changes.after.name") != "Friends" {
		t.Errorf("changes = %v, want before and after", one.at("changes"))
	}
	if got := one.text("_links.self.href"); got != apiURL+"/v1/environments/"+home+"/activities/"+one.text("id") {
		t.Errorf("self = %q", got)
	}
	reader.get("/environments/"+sibling+"/activities/"+one.text("id")).refused(http.StatusForbidden, "ACCESS_FAILED")
	k.as(organizationAdmin).get("/environments/" + sibling + "/activities").is(http.StatusOK).has(`{"size":0}`)
	k.as(nobody).get("/{env}/activities").refused(http.StatusForbidden, "ACCESS_FAILED")
	k.as(nobody).get("/{env}/activities/"+one.text("id")).refused(http.StatusForbidden, "ACCESS_FAILED")
	reader.get("/{env}/activities/"+nothing).refused(http.StatusNotFound, "NOT_FOUND")
}

func TestActivityFilters(t *testing.T) {
	k := newKit(t)
	var ids []string
	for _, name := range []string{"a", "b", "c"} { // at 12:00:00, 12:00:01.5, 12:00:03
		ids = append(ids, k.as(root).post("/{env}/populations", `{"name":"`+name+`"}`).is(http.StatusCreated).text("id"))
		k.Clock.Advance(1500 * time.Millisecond)
	}
	reader := k.as(environmentAdmin)
	tests := []struct {
		name, filter string
		want         string // names of populations, the newest first
	}{
		{"none", ``, "cba"},
		{"action", `action.type eq "POPULATION.CREATED"`, "cba"},
		{"another action", `action.type eq "POPULATION.DELETED"`, ""},
		{"object", `resources.id eq "` + ids[1] + `"`, "b"},
		{"client", `actors.client.id eq "root" and action.type eq "POPULATION.CREATED"`, "cba"},
		{"another client", `actors.client.id eq "nobody"`, ""},
		{"user", `actors.user.id eq "` + alice + `"`, ""},
		{"later", `recordedAt gt "2026-03-01T12:00:00Z" and action.type eq "POPULATION.CREATED"`, "cb"},
		{"in PingOne's spelling", `recordedat gt "2026-03-01T12:00:00Z" AND recordedat lt "2026-03-01T12:00:03Z"`, "b"},
		{"from on", `recordedAt ge "2026-03-01T12:00:01.500Z"`, "cb"},
		{"behind a millisecond", `recordedAt gt "2026-03-01T12:00:01.500Z"`, "c"},
		{"behind less than a millisecond", `recordedAt gt "2026-03-01T12:00:01.4999Z"`, "cb"},
		{"until", `recordedAt le "2026-03-01T12:00:01.500Z"`, "ba"},
		{"before", `recordedAt lt "2026-03-01T12:00:01.500Z"`, "a"},
		{"before, in another zone", `recordedAt lt "2026-03-01T14:00:01.500+02:00"`, "a"},
		{"nowhere", `recordedAt lt "2026-03-01T12:00:01Z" and recordedAt gt "2026-03-01T12:00:02Z"`, ""},
		{"createdAt is the same", `createdAt ge "2026-03-01T12:00:03Z"`, "c"},
		{"alternatives", `resources.id eq "` + ids[0] + `" or resources.id eq "` + ids[2] + `" or resources.id eq "` + ids[2] + `"`, "ca"},
		{"impossible", `resources.id eq "` + ids[0] + `" and resources.id eq "` + ids[2] + `"`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, limit := range []string{"1", "2", "100"} {
				var got string
				for _, a := range reader.in(t).page("/{env}/activities?limit="+limit+"&filter="+escape(tt.filter), "activities", 100) {
					if r := a["resources"].([]any)[0].(map[string]any); r["type"] == "POPULATION" {
						got += r["name"].(string)
					}
				}
				if got != tt.want {
					t.Errorf("limit %s: found = %q, want %q", limit, got, tt.want)
				}
			}
		})
	}
	for name, filter := range map[string]string{
		"no filter at all": `nonsense`, "unknown attribute": `source.ipAddress eq "x"`, "operator": `action.type sw "POP"`,
		"time compared otherwise": `recordedAt eq "2026-03-01T12:00:00Z"`, "no time": `recordedAt gt "yesterday"`, "number": `recordedAt gt 5`,
		"not": `not (action.type eq "X")`, "present": `action.type pr`,
		"too many": `resources.id eq "a" or resources.id eq "b" or resources.id eq "c" or resources.id eq "d" or resources.id eq "e" or resources.id eq "f" or resources.id eq "g" or resources.id eq "h" or resources.id eq "i"`,
	} {
		t.Run(name, func(t *testing.T) {
			reader.in(t).get("/{env}/activities?filter="+escape(filter)).refused(http.StatusBadRequest, "INVALID_DATA", "INVALID_FILTER", "filter")
		})
	}
}

func (c caller) in(t testing.TB) caller { return caller{c.k.in(t), c.authorization} }

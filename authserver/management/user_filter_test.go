package management_test

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/management"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// named lists usernames, sorted.
func named(all []map[string]any) []string {
	names := []string{}
	for _, u := range all {
		names = append(names, u["username"].(string))
	}
	slices.Sort(names)
	return names
}

func filtered(filter string) string { return users + "?filter=" + url.QueryEscape(filter) }

func TestFilterUsers(t *testing.T) {
	k := newKit(t)
	second := k.as(root).post("/{env}/populations", `{"name":"second"}`).is(201).text("id")
	carl := k.person(`{"username":"Carl","email":"Carl@Example.com","name":{"given":"Carl","family":"O'Neill","formatted":"Carl \"C\" O'Neill"},
		"externalId":"X-1","nickname":"Straße","address":{"locality":"Zürich","countryCode":"CH"},"timezone":"Europe/Zurich","costCenter":"cc-1","vip":true,"title":"Boss"}`)
	k.person(`{"username":"carla","email":"carla@example.org","name":{"given":"Carla","family":"Stein"},"externalId":"X-2","population":{"id":"` + second + `"},"costCenter":"cc-2","title":"Boss"}`)
	k.person(`{"username":"dora","email":"dora@example.com","name":{"given":"Dora"},"enabled":false,"primaryPhone":"+41 1","title":""}`)
	long := strings.Repeat("long-", 40)
	k.person(`{"username":"erik","email":"erik@example.com","externalId":"` + long + `1","title":"Clerk"}`)
	first := directory.FirstPopulation(home)

	tests := []struct {
		filter string
		want   string
	}{
		{`id eq "` + carl + `"`, "Carl"},
		{`ID eq "` + alice + `"`, "alice"},
		{`id eq "` + nothing + `"`, ""},
		{`id eq ""`, ""},
		{`username eq "CARL"`, "Carl"},
		{`username eq "carl "`, "Carl"},
		{`username sw "car"`, "Carl carla"},
		{`username sw "CAR" and username ew "A"`, "carla"},
		{`username co "ar"`, "Carl carla"},
		{`email eq "carl@example.com"`, "Carl"},
		{`email ew "example.org"`, "carla"},
		{`email sw "alice@"`, "alice"},
		{`name.given eq "carl"`, "Carl"},
		{`Name.Given eq "carl"`, "Carl"},
		{`name.family eq "O'Neill"`, "Carl"},
		{`name.formatted eq "Carl \"C\" O'Neill"`, "Carl"},
		{`nickname eq "straße"`, "Carl"},
		{`address.locality eq "zürich"`, "Carl"},
		{`address.countryCode eq "CH"`, "Carl"},
		{`timezone sw "Europe/"`, "Carl"},
		{`primaryPhone eq "+41 1"`, "dora"},
		{`externalId eq "x-1"`, "Carl"},
		{`externalId sw "x-"`, "Carl carla"},
		{`externalId sw "long-long-"`, "erik"},
		{`externalId eq "` + long + `1"`, "erik"},
		{`externalId eq "` + long + `2"`, ""},
		{`externalId eq "` + long + `"`, ""},
		{`costCenter eq "cc-1"`, "Carl"},
		{`costCenter sw "cc"`, "Carl carla"},
		{`enabled eq false`, "dora"},
		{`enabled eq true`, "Carl alice bob carla erik"},
		{`enabled eq true and title eq "boss"`, "Carl carla"},
		{`population.id eq "` + second + `"`, "carla"},
		{`population.id eq "` + first + `"`, "Carl alice bob dora erik"},
		{`population.id eq "` + first + `" and name.given sw "c"`, "Carl"},
		{`population.id eq "` + nothing + `"`, ""},
		{`((username eq "dora"))`, "dora"},
		{`(username eq "dora" OR username eq "carla") AND (title eq "Boss")`, "carla"},
		{`username eq "carl" or email eq "carl@example.com" or username sw "c"`, "Carl carla"},
		{`not (username sw "c")`, "alice bob dora erik"},
		{`not (username sw "c" or email ew "example.com")`, ""},
		{`title eq ""`, "dora"},
		{`title sw ""`, "Carl carla dora erik"},
		{`not (title sw "")`, "alice bob"},
		{`username eq "nobody"`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.filter[:min(60, len(tt.filter))], func(t *testing.T) {
			want := strings.Fields(tt.want)
			slices.Sort(want)
			for _, limit := range []int{1, 2, 200} {
				got := named(k.as(root).page(filtered(tt.filter)+fmt.Sprintf("&limit=%d", limit), "users", limit))
				if !slices.Equal(got, want) && len(got)+len(want) > 0 {
					t.Errorf("limit %d: got %v, want %v", limit, got, want)
				}
			}
		})
	}
	t.Run("form-encoded spaces", func(t *testing.T) {
		if got := named(k.as(root).page(users+`?filter=population.id+eq+%22`+second+`%22`, "users", 200)); !slices.Equal(got, []string{"carla"}) {
			t.Errorf("got %v", got)
		}
	})
}

func TestFilterUsersRefused(t *testing.T) {
	k := newKit(t)
	k.person(`{"username":"u","email":"u@example.com","costCenter":"cc-1","shoeSize":7}`)
	good := []string{`username eq "u"`, `costCenter eq "cc-1"`, `enabled eq true`}
	for _, f := range good {
		k.as(root).get(filtered(f)).is(200)
	}
	for name, f := range map[string]string{
		"empty":                                ``,
		"no filter at all":                     `u`,
		"unknown attribute":                    `nosuch eq "x"`,
		"unknown attribute with a dot":         `name.nosuch eq "x"`,
		"custom attribute that is a number":    `shoeSize eq 7`,
		"attribute of the account":             `account.status eq "OK"`,
		"password":                             `password eq "x"`,
		"claim behind the attribute":           `given_name eq "x"`,
		"lifecycle":                            `lifecycle eq "x"`,
		"unknown operator":                     `username is "x"`,
		"ne":                                   `username ne "x"`,
		"pr":                                   `username pr`,
		"gt":                                   `username gt "x"`,
		"id sw":                                `id sw "a"`,
		"population sw":                        `population.id sw "a"`,
		"enabled sw":                           `enabled sw "t"`,
		"enabled as text":                      `enabled eq "true"`,
		"text as a boolean":                    `username eq true`,
		"text as null":                         `username eq null`,
		"id as a number":                       `id eq 1`,
		"open":                                 `(username eq "u"`,
		"one bad of several":                   `username eq "u" or nosuch eq "x"`,
		"one bad within not":                   `not (username eq "u" and nosuch eq "x")`,
		"more alternatives than are looked at": strings.TrimSuffix(strings.Repeat(`(title eq "a" or title eq "b") and `, 7), " and "),
	} {
		t.Run(name, func(t *testing.T) {
			k.as(root).get(filtered(f)).refused(400, "INVALID_DATA", "INVALID_FILTER", "filter")
		})
	}
	k.as(root).get(users+`?filter=username+eq+%22u%22&filter=username+eq+%22u%22`).refused(400, "INVALID_DATA", "INVALID_PARAMETER", "filter")
	k.as(root).get(filtered(`username eq "u" x`)).refused(400, "INVALID_DATA", "INVALID_FILTER", "filter")
	if m := k.as(root).get(filtered(`username eq "u" x`)).text("details.0.message"); !strings.Contains(m, "character 17") {
		t.Errorf("message = %q, want it to say where", m)
	}
}

// crowd stores people quickly: as many as n, of whom every one of a hundred is called rare.
func crowd(t testing.TB, k *kit, n int) {
	t.Helper()
	const batch = 500
	for first := 0; first < n; first += batch {
		w := store.Write{Environment: home}
		for i := first; i < min(n, first+batch); i++ {
			nickname := "common"
			if i%100 == 99 {
				nickname = "the rare one"
			}
			w.PutUsers = append(w.PutUsers, store.User{
				Environment: home, ID: fmt.Sprintf("00000000-0000-4000-8000-%012d", i), Username: fmt.Sprintf("user-%05d", i),
				CreatedAt: noon, UpdatedAt: noon, Claims: map[string]any{"email": fmt.Sprintf("user-%d@example.com", i), "nickname": nickname},
			})
		}
		if err := k.Store.Apply(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
}

// A page looks at a bounded number of users, whatever the filter: then it is short, or empty, and
// says where to go on.
func TestPagesOfUsersAreBounded(t *testing.T) {
	k := newKit(t)
	crowd(t, k, 2500)
	a := k.as(root).get(filtered(`nickname co "nobody has this"`)).is(200)
	if a.at("size") != 0.0 || a.text("_links.next.href") == "" || a.at("count") != nil {
		t.Errorf("size %v, next %q, want an empty page with a next one", a.at("size"), a.text("_links.next.href"))
	}
	if got := k.as(root).page(filtered(`nickname co "nobody has this"`), "users", 200); len(got) != 0 {
		t.Errorf("%d users, want none", len(got))
	}
	for filter, want := range map[string]int{
		`nickname co "rare"`: 25, `nickname sw "the"`: 25, `nickname eq "the rare one" or nickname co "rare"`: 25,
		`enabled eq true`: 2502, `nickname eq "common"`: 2475, `username sw "user-000"`: 100, `not (nickname eq "common")`: 27,
	} {
		for _, limit := range []int{7, 200} {
			if limit == 7 && want > 1000 {
				continue
			}
			got := named(k.as(root).page(filtered(filter)+fmt.Sprintf("&limit=%d", limit), "users", limit))
			if len(got) != want || len(slices.Compact(got)) != want {
				t.Errorf("%s, limit %d: %d users, want %d, each once", filter, limit, len(got), want)
			}
		}
	}
	// Without a limit a page has 200, and no more with a larger one.
	for _, query := range []string{"", "?limit=200", "?limit=100000"} {
		if got := k.as(root).get(users + query).is(200).at("size"); got != 200.0 {
			t.Errorf("%s: size = %v, want 200", query, got)
		}
	}
}

// A cursor whose sum is right but which nobody was given leads to an error, never to a fault.
func TestForgedPlacesOfUsers(t *testing.T) {
	k := newKit(t)
	path := strings.ReplaceAll(users, "{env}", "environments/"+home)
	for _, place := range []string{"9..", "-1..", "0", "0.a", "0.!.!", "x..", "0.YQ.YQ.YQ", "99999999999999999999..", "1.."} {
		k.as(root).get(users+"?cursor="+management.SealCursor(place, "/v1"+path+"?")).refused(400, "INVALID_DATA", "INVALID_PARAMETER", "cursor")
	}
	for _, place := range []string{"0..", "0.YQ.YQ", "0.AGE.YQ", "0._w._w"} {
		if a := k.as(root).get(users + "?cursor=" + management.SealCursor(place, "/v1"+path+"?")); a.Status != 200 {
			t.Errorf("%s: status = %d: %s", place, a.Status, a.Body)
		}
	}
}

// FuzzUserFilter: whatever the filter, an answer comes that is no fault of the server; nobody is listed twice, and
// pages of one find whom pages of 200 find.
func FuzzUserFilter(f *testing.F) {
	for _, s := range []string{
		`username sw "c" or not (enabled eq false)`, `id eq "x" and population.id eq "y"`, `email co "example" or email ew "com"`,
		`nickname eq "common" or title eq "" or name.given sw ""`, `(`, `enabled eq true and enabled eq false`,
	} {
		f.Add(s)
	}
	k := newKit(f)
	crowd(f, k, 12)
	f.Fuzz(func(t *testing.T, filter string) {
		k := k.in(t)
		a := k.as(root).get(filtered(filter))
		if a.Status >= 500 {
			t.Fatalf("%q: status = %d: %s", filter, a.Status, a.Body)
		}
		if a.Status != 200 {
			return
		}
		many := named(k.as(root).page(filtered(filter), "users", 200))
		few := named(k.as(root).page(filtered(filter)+"&limit=1", "users", 1))
		if !slices.Equal(many, few) || len(slices.Compact(slices.Clone(many))) != len(many) {
			t.Fatalf("%q: %v by 200, %v one by one", filter, many, few)
		}
	})
}

// A page that ends behind somebody whom the caller may not see says nothing of them in its cursor.
func TestCursorsHideWhoIsNotSeen(t *testing.T) {
	k := newKit(t)
	in := k.as(root).post("/{env}/populations", `{"name":"Mine"}`).is(201).text("id")
	body := func(username, population string) map[string]any {
		return map[string]any{"username": username, "email": username + "@example.com", "population": map[string]any{"id": population}}
	}
	k.as(root).post(users, body("mine", in)).is(201)
	crowd(t, k, 2500) // more than a page looks at
	limited := k.as(k.scoped(directory.RoleIdentityReadOnly, in))
	path := users + "?filter=" + url.QueryEscape(`email sw "user-" or username eq "mine"`)
	first := limited.get(path).is(200)
	next, err := url.Parse(first.text("_links.next.href"))
	if err != nil || next.Query().Get("cursor") == "" {
		t.Fatalf("there is no next page: %s", first.Body)
	}
	cursor, err := base64.RawURLEncoding.DecodeString(next.Query().Get("cursor"))
	if err != nil {
		t.Fatal(err)
	}
	for part := range strings.SplitSeq(string(cursor[12:]), ".") {
		if b, err := base64.RawURLEncoding.DecodeString(part); err == nil && (strings.Contains(string(b), "user-") || strings.Contains(string(b), "00000000-0000-4000-8000")) {
			t.Errorf("the cursor says %q of somebody in another population", b)
		}
	}
	if all := limited.page(path, "users", 200); len(all) != 1 || all[0]["username"] != "mine" {
		t.Errorf("%v, want the one that is seen", all)
	}
	// Whoever sees all goes on with cursors of their own, and one is not the other's.
	k.as(root).get(path+"&cursor="+next.Query().Get("cursor")).refused(400, "INVALID_DATA", "INVALID_PARAMETER", "cursor")
	other, err := url.Parse(k.as(root).get(path + "&limit=1").is(200).text("_links.next.href"))
	if err != nil {
		t.Fatal(err)
	}
	limited.get(path+"&cursor="+other.Query().Get("cursor")).refused(400, "INVALID_DATA", "INVALID_PARAMETER", "cursor")
}

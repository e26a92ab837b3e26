package management_test

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/management"
)

// cursorOf is the cursor in a page's next link.
func cursorOf(t testing.TB, a *answer) string {
	t.Helper()
	u, err := url.Parse(a.is(200).text("_links.next.href"))
	if err != nil || u.Query().Get("cursor") == "" {
		t.Fatalf("there is no next page: %s", a.Body)
	}
	return u.Query().Get("cursor")
}

func populate(t testing.TB, k *kit, n int) {
	t.Helper()
	for i := range n {
		k.as(root).post("/{env}/populations", fmt.Sprintf(`{"name":"p%02d"}`, i)).is(201)
	}
}

func TestPages(t *testing.T) {
	k := newKit(t)
	populate(t, k, 6)
	for limit := 1; limit <= 8; limit++ {
		seen := map[string]bool{}
		for _, p := range k.as(root).page(fmt.Sprintf("/{env}/populations?limit=%d", limit), "populations", limit) {
			if seen[p["id"].(string)] {
				t.Errorf("limit %d: %v occurs twice", limit, p["id"])
			}
			seen[p["id"].(string)] = true
		}
		if len(seen) != 7 { // and the first one
			t.Errorf("limit %d: %d populations, want 7", limit, len(seen))
		}
	}
	a := k.as(root).get("/{env}/populations").is(200)
	if a.at("count") != float64(7) || a.at("size") != float64(7) || a.at("_links.next") != nil {
		t.Errorf("whole: %s", a.Body)
	}
	k.as(root).get("/{env}/populations?limit=100000").is(200)
	if a := k.as(root).get("/{env}/applications/web/grants?limit=1").is(200); a.at("_embedded.grants") == nil {
		t.Errorf("a collection without documented paging: %s", a.Body)
	}
}

func TestLimits(t *testing.T) {
	k := newKit(t)
	for _, limit := range []string{"0", "-1", "x", "1.5", "1e1", "+1", " 1", "99999999999999999999", "1&limit=2"} {
		k.as(root).get("/{env}/populations?limit="+strings.ReplaceAll(limit, " ", "%20")).
			refused(400, "INVALID_DATA", "INVALID_PARAMETER", "limit")
	}
}

// A cursor is good for the collection and filter that it was made for, and for nothing else.
func TestForeignCursors(t *testing.T) {
	k := newKit(t)
	populate(t, k, 4)
	own := cursorOf(t, k.as(root).get("/{env}/populations?limit=2"))
	k.as(root).get("/{env}/populations?limit=3&cursor=" + own).is(200) // another size is no matter

	filtered := cursorOf(t, k.as(root).get(`/{env}/populations?limit=2&filter=name+sw+"p"`))
	bad := map[string]string{
		"another collection":  "/{env}/applications?cursor=" + own,
		"another environment": "/environments/" + sibling + "/populations?cursor=" + own,
		"another filter":      `/{env}/populations?filter=name+sw+"q"&cursor=` + filtered,
		"without its filter":  "/{env}/populations?cursor=" + filtered,
		"with a filter":       `/{env}/populations?filter=name+sw+"p"&cursor=` + own,
		"cut":                 "/{env}/populations?cursor=" + own[:len(own)-2],
		"longer":              "/{env}/populations?cursor=" + own + "AA",
		"not base64url":       "/{env}/populations?cursor=" + own + "!",
		"padded":              "/{env}/populations?cursor=" + own + "%3D",
		"an ID":               "/{env}/populations?cursor=" + nothing,
		"too long":            "/{env}/populations?cursor=" + strings.Repeat("A", 20000),
		"twice":               "/{env}/populations?cursor=" + own + "&cursor=" + own,
	}
	for name, path := range bad {
		t.Run(name, func(t *testing.T) {
			k.as(root).get(path).refused(400, "INVALID_DATA", "INVALID_PARAMETER", "cursor")
		})
	}
	raw, err := base64.RawURLEncoding.DecodeString(own)
	if err != nil {
		t.Fatalf("a cursor is URL-safe: %v", err)
	}
	for i := range raw {
		damaged := append([]byte(nil), raw...)
		damaged[i] ^= 1
		k.as(root).get("/{env}/populations?cursor="+base64.RawURLEncoding.EncodeToString(damaged)).
			refused(400, "INVALID_DATA", "INVALID_PARAMETER", "cursor")
	}
}

// Whoever has read how cursors are made gets no further than the collection either.
func TestForgedCursors(t *testing.T) {
	k := newKit(t)
	populate(t, k, 4)
	for _, path := range []string{"populations", "applications", "resources", "users", "keys", "keyRotationPolicies", "subscriptions", "activities", "passwordPolicies"} {
		for _, place := range []string{
			"x", "b", "d", "s", "zz", "b" + nothing, "d" + nothing, "s" + nothing, "s\xff", "s'; drop table x", strings.Repeat("s", 4000), "{}",
			`{"x":1}`, "\x01", "s\u0085", "-1", "99999999999999999999",
		} {
			if strings.ContainsRune(place, '\uFFFD') {
				continue
			}
			cursor := management.SealCursor(place, "/v1/environments/"+home+"/"+path+"?")
			if a := k.as(root).get("/{env}/" + path + "?cursor=" + cursor); a.Status != 200 && a.Status != 400 {
				t.Errorf("%s at %q: status = %d: %s", path, place, a.Status, a.Body)
			} else if strings.Contains(string(a.Body), sibling) {
				t.Errorf("%s at %q: another environment's data: %s", path, place, a.Body)
			}
		}
	}
	for _, path := range []string{"/environments", "/roles", "/organizations"} {
		for _, place := range []string{"x", "b", "s" + nothing, "d"} {
			if a := k.as(root).get(path + "?cursor=" + management.SealCursor(place, "/v1"+path+"?")); a.Status != 200 && a.Status != 400 {
				t.Errorf("%s at %q: status = %d: %s", path, place, a.Status, a.Body)
			}
		}
	}
}

// FuzzCursor: whatever is sent as a cursor is 200 or 400.
func FuzzCursor(f *testing.F) {
	k := newKit(f)
	populate(f, k, 4)
	f.Add(cursorOf(f, k.as(root).get("/{env}/populations?limit=2")), "")
	f.Add("", `name sw "p"`)
	f.Add("AAAA", `((name eq "x")) or id eq "y"`)
	f.Fuzz(func(t *testing.T, cursor, filter string) {
		k := k.in(t)
		forged := management.SealCursor(cursor, "/v1/environments/"+home+"/populations?")
		if a := k.as(root).get("/{env}/populations?cursor=" + forged); a.Status != 200 && a.Status != 400 {
			t.Fatalf("status = %d: %s", a.Status, a.Body)
		}
		query := url.Values{"cursor": {cursor}}
		if filter != "" {
			query.Set("filter", filter)
		}
		for _, path := range []string{"/{env}/populations?", "/environments?"} {
			if a := k.as(root).get(path + query.Encode()); a.Status != 200 && a.Status != 400 {
				t.Fatalf("status = %d: %s", a.Status, a.Body)
			}
		}
	})
}

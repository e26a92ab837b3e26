package legacy_test

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// 4: the parameters of CREST.
func TestCRESTParameters(t *testing.T) {
	k := newKit(t)
	const path = "/json/serverinfo/*?"
	tests := []struct {
		name, query string
		status      int
		want        string // members, sorted; "" is all
	}{
		{"4/_fields/one", "_fields=realm", 200, "_id _rev realm"},
		{"4/_fields/several", "_fields=realm,cookieName", 200, "_id _rev cookieName realm"},
		{"4/_fields/with a slash in front", "_fields=/realm", 200, "_id _rev realm"},
		{"4/_fields/below another", "_fields=zeroPageLogin/enabled", 200, "_id _rev zeroPageLogin"},
		{"4/_fields/one that there is not", "_fields=nothing", 200, "_id _rev"},
		{"4/_fields/below what is no object", "_fields=realm/x", 200, "_id _rev"},
		{"4/_fields/_id", "_fields=_id", 200, "_id _rev"},
		{"4/_fields/empty is all", "_fields=", 200, ""},
		{"4/_fields/commas alone are all", "_fields=,,", 200, ""},
		{"4/_fields/twice", "_fields=realm&_fields=realm", 400, ""},
		{"4/_fields/too many", "_fields=" + strings.Repeat("a,", 101), 400, ""},
		{"4/_fields/U+0000", "_fields=a%00", 400, ""},
		{"4/_prettyPrint/false", "_prettyPrint=false", 200, ""},
		{"4/_prettyPrint/a number", "_prettyPrint=1", 400, ""},
		{"4/_pageSize", "_pageSize=10", 200, ""},
		{"4/_pageSize/negative", "_pageSize=-1", 400, ""},
		{"4/_pageSize/no number", "_pageSize=ten", 400, ""},
		{"4/_pageSize/with a sign", "_pageSize=%2B1", 400, ""},
		{"4/_pageSize/huge", "_pageSize=99999999999999999999", 400, ""},
		{"4/_pagedResultsOffset", "_pagedResultsOffset=0", 200, ""},
		{"4/_pagedResultsOffset/negative", "_pagedResultsOffset=-1", 400, ""},
		{"4/_pagedResultsCookie and _pagedResultsOffset", "_pagedResultsCookie=x&_pagedResultsOffset=1", 400, ""},
		{"4/_totalPagedResultsPolicy", "_totalPagedResultsPolicy=EXACT", 200, ""},
		{"4/_totalPagedResultsPolicy/another", "_totalPagedResultsPolicy=ALL", 400, ""},
		{"4/_sortKeys", "_sortKeys=-realm", 200, ""},
		{"4/_action/empty", "_action=", 400, ""},
		{"4/_queryFilter/empty", "_queryFilter=", 400, ""},
		{"4/an unknown one", "_colour=blue", 400, ""},
		{"4/another case", "_FIELDS=realm", 400, ""},
		{"4/an unknown one without _", "colour=blue", 200, ""},
		{"4/malformed", "_fields=%", 400, ""},
		{"4/too long", "x=" + strings.Repeat("a", 70_000), 400, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := k.in(t).get(path + tt.query)
			if tt.status != 200 {
				a.refused(tt.status, "")
				return
			}
			var names []string
			for name := range a.is(200).object() {
				names = append(names, name)
			}
			slices.Sort(names)
			if got := strings.Join(names, " "); tt.want != "" && got != tt.want || tt.want == "" && len(names) < 15 {
				t.Errorf("members = %s, want %s", got, tt.want)
			}
		})
	}
	t.Run("4/_fields/two of one object", func(t *testing.T) {
		a := k.in(t).get(path + "_fields=zeroPageLogin/enabled,zeroPageLogin/refererWhitelist")
		if m, _ := a.member("zeroPageLogin").(map[string]any); len(m) != 2 {
			t.Errorf("zeroPageLogin = %v, want two members", m)
		}
		a = k.in(t).get(path + "_fields=zeroPageLogin,zeroPageLogin/enabled")
		if m, _ := a.member("zeroPageLogin").(map[string]any); len(m) != 3 {
			t.Errorf("zeroPageLogin = %v, want all of it", m)
		}
	})
	t.Run("4/_prettyPrint", func(t *testing.T) {
		plain, pretty := k.in(t).get(path), k.in(t).get(path+"_prettyPrint=true")
		var b bytes.Buffer
		if err := json.Compact(&b, pretty.Body); err != nil || !bytes.Equal(b.Bytes(), plain.Body) || bytes.Equal(pretty.Body, plain.Body) {
			t.Errorf("body = %s, want the same with white space", pretty.Body)
		}
	})
	t.Run("4/_rev is of the content", func(t *testing.T) {
		k := k.in(t)
		first, again, other := k.get(path), k.get(path+"_fields=realm"), k.get(path+"realm=/alpha")
		if first.text("_rev") != again.text("_rev") || first.text("_rev") == other.text("_rev") {
			t.Errorf("_rev = %s, %s, of another object %s", first.text("_rev"), again.text("_rev"), other.text("_rev"))
		}
		if got := first.Header.Get("ETag"); got != `"`+first.text("_rev")+`"` {
			t.Errorf("ETag = %s, want _rev", got)
		}
	})
}

// 4: the envelope of a query has all six members, always.
func TestCRESTEnvelope(t *testing.T) {
	k := newKit(t)
	for range 3 {
		k.as("alpha", "alice")
	}
	admin := k.admin()
	query := "/json/sessions?_queryFilter=" + url.QueryEscape(`username eq "alice" and realm eq "/alpha"`)
	tests := []struct{ name, more, want string }{
		{"4/all of them", "", `"resultCount":3,"pagedResultsCookie":null,"totalPagedResultsPolicy":"NONE","totalPagedResults":-1,"remainingPagedResults":-1}`},
		{"4/a page", "&_pageSize=2", `"resultCount":2,"pagedResultsCookie":"2","totalPagedResultsPolicy":"NONE","totalPagedResults":-1,"remainingPagedResults":-1}`},
		{"4/the last page", "&_pageSize=2&_pagedResultsCookie=2", `"resultCount":1,"pagedResultsCookie":null,"totalPagedResultsPolicy":"NONE","totalPagedResults":-1,"remainingPagedResults":-1}`},
		{"4/counted", "&_pageSize=1&_totalPagedResultsPolicy=EXACT", `"resultCount":1,"pagedResultsCookie":"1","totalPagedResultsPolicy":"EXACT","totalPagedResults":3,"remainingPagedResults":-1}`},
		{"4/none", "&_pagedResultsOffset=3", `{"result":[],"resultCount":0,"pagedResultsCookie":null,"totalPagedResultsPolicy":"NONE","totalPagedResults":-1,"remainingPagedResults":-1}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			admin.k = k.in(t)
			if a := admin.get(query + tt.more).is(200); !strings.HasSuffix(string(a.Body), tt.want) {
				t.Errorf("body = %s, want it to end in %s", a.Body, tt.want)
			}
		})
	}
	admin.k = k
	a := admin.get(query + "&_fields=username&_pageSize=1").is(200)
	if m, _ := a.member("result.0").(map[string]any); len(m) != 1 {
		t.Errorf("result = %v, want the one member", m)
	}
}

// 4: nothing of an answer is kept by anybody, whatever its status.
func TestCRESTHeaders(t *testing.T) {
	k := newKit(t)
	for _, a := range []*answer{
		k.get("/json/serverinfo/*"), k.get("/json/nothing"), k.get("/json/serverinfo/*?_nope=1"), k.get("/json/serverinfo/*?realm=nope"),
		k.post(authenticate, nil), k.post(authenticate, nil, credentials("alice", "wrong")...), k.post(authenticate, "x"), k.get(authenticate),
		k.post(authenticate, nil, credentials("alice", "alice-demo-pass")...), k.post(action("validate"), nil), k.post(action("nope"), nil),
	} {
		for name, want := range map[string]string{
			"Cache-Control": "no-cache, no-store", "Pragma": "no-cache", "Expires": "0", "Referrer-Policy": "no-referrer",
			"Content-Type": "application/json;charset=UTF-8", "X-Content-Type-Options": "nosniff",
			"Content-Security-Policy": "default-src 'none';frame-ancestors 'none';sandbox",
		} {
			if got := a.Header.Get(name); got != want {
				t.Errorf("%s: %d: %s = %q, want %q", a.what, a.Status, name, got, want)
			}
		}
		if a.Header.Get("Deprecation") == "" {
			t.Errorf("%s: %d: %v, want Deprecation", a.what, a.Status, a.Header)
		}
	}
}

package management_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// The description has every route and nothing else.
func TestDescription(t *testing.T) {
	k := newKit(t)
	a := k.anonymous().get("/openapi.json").is(200)
	var d struct {
		OpenAPI string `json:"openapi"`
		Info    struct{ Title, Version string }
		Servers []struct{ URL string }
		Paths   map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(a.Body, &d); err != nil {
		t.Fatalf("not JSON: %v", err)
	}
	if d.OpenAPI != "3.1.0" || d.Info.Title == "" || d.Info.Version == "" || len(d.Servers) != 1 || d.Servers[0].URL != apiURL+"/v1" {
		t.Errorf("openapi = %q, info = %+v, servers = %+v", d.OpenAPI, d.Info, d.Servers)
	}

	want := map[string]string{}
	for _, rt := range k.API.Routes() {
		want[strings.ToLower(rt.Method)+" "+rt.Path] = rt.Name
	}
	operations := map[string]bool{}
	for path, item := range d.Paths {
		var variables []string
		for segment := range strings.SplitSeq(path, "/") {
			if strings.HasPrefix(segment, "{") {
				variables = append(variables, strings.Trim(segment, "{}"))
			}
		}
		for method, raw := range item {
			if method == "parameters" {
				var said []struct {
					Name, In string
					Required bool
				}
				if err := json.Unmarshal(raw, &said); err != nil {
					t.Fatal(err)
				}
				var names []string
				for _, p := range said {
					if p.In != "path" || !p.Required {
						t.Errorf("%s: %+v", path, p)
					}
					names = append(names, p.Name)
				}
				if !slices.Equal(names, variables) {
					t.Errorf("%s: parameters %v, want %v", path, names, variables)
				}
				continue
			}
			var o struct {
				OperationID string `json:"operationId"`
				Summary     string
				Responses   map[string]json.RawMessage
			}
			if err := json.Unmarshal(raw, &o); err != nil {
				t.Fatal(err)
			}
			key := method + " " + path
			if want[key] != o.OperationID || o.OperationID == "" {
				t.Errorf("%s: operationId = %q, want %q", key, o.OperationID, want[key])
			}
			delete(want, key)
			if operations[o.OperationID] {
				t.Errorf("operationId %s occurs twice", o.OperationID)
			}
			operations[o.OperationID] = true
			if o.Summary == "" || len(o.Responses) < 3 {
				t.Errorf("%s: summary = %q, responses = %v", key, o.Summary, o.Responses)
			}
		}
	}
	for key := range want {
		t.Errorf("%s is not described", key)
	}
	resolve(t, a.json(), a.json())
}

// resolve looks whether every reference leads somewhere.
func resolve(t *testing.T, whole map[string]any, v any) {
	t.Helper()
	switch at := v.(type) {
	case map[string]any:
		if ref, ok := at["$ref"].(string); ok {
			var found any = whole
			for name := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
				m, _ := found.(map[string]any)
				found = m[name]
			}
			if m, ok := found.(map[string]any); !ok || len(m) == 0 {
				t.Errorf("%s leads nowhere", ref)
			}
		}
		for _, inner := range at {
			resolve(t, whole, inner)
		}
	case []any:
		for _, inner := range at {
			resolve(t, whole, inner)
		}
	}
}

// Every route says who may call it, and what it answers.
func TestTable(t *testing.T) {
	k := newKit(t)
	seen := map[string]bool{}
	open := 0
	for _, rt := range k.API.Routes() {
		if rt.Open == (rt.Permission != "") {
			t.Errorf("%s: open = %t, permission = %q: exactly one decides", rt.Name, rt.Open, rt.Permission)
		}
		if rt.Open {
			open++
		}
		if rt.Name == "" || seen[rt.Name] || !strings.Contains(rt.Name, ".") || rt.Summary == "" || !strings.HasSuffix(rt.Summary, ".") || rt.Status == 0 {
			t.Errorf("%s %s: %+v is not complete, or its name is taken", rt.Method, rt.Path, rt)
		}
		seen[rt.Name] = true
		if !k.API.Handles("/v1" + rt.Path) {
			t.Errorf("%s is not among the paths of the API", rt.Path)
		}
		if (rt.Method == "POST" || rt.Method == "PUT" || rt.Method == "PATCH") && len(rt.Request) == 0 {
			t.Errorf("%s takes any media type", rt.Name)
		}
	}
	if open != 1 {
		t.Errorf("%d routes are open, want the description alone", open)
	}
}

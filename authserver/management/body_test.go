package management_test

import (
	"strings"
	"testing"
)

// FuzzBody: whatever is sent to any route that reads JSON is answered, and never
// by 5xx; and what is answered is JSON.
func FuzzBody(f *testing.F) {
	w := newWorld(f)
	type target struct{ method, path string }
	var targets []target
	for _, rt := range w.API.Routes() {
		for _, kind := range rt.Request {
			if kind == "application/json" && rt.Name != "key.create" && rt.Name != "keyRotationPolicy.create" { // they draw keys
				targets = append(targets, target{rt.Method, w.path(rt.Path, w.own)})
			}
		}
	}
	for i := range targets {
		for _, body := range []string{
			"{}", `{"name":"x","enabled":true,"type":"WORKER","protocol":"OPENID_CONNECT"}`, `{"name":null,"id":5}`, `{"name":["x"]}`,
			`{"role":{"id":"x"},"scope":{"id":"x","type":"ENVIRONMENT"}}`, `{"scopes":[{"id":"x"},null],"resource":{"id":""}}`,
			`{"name":{"given":"x"},"username":"x","email":"x","account":null}`, `{"previous":{"expiresAt":"2026-03-01T13:00:00Z"}}`,
			`{"a":1,"a":2}`, `[]`, `{"value":"${user.id}","name":"x","required":true}`, "{\"name\":\"\\u0000\"}",
		} {
			f.Add(uint8(i), body)
		}
	}
	f.Fuzz(func(t *testing.T, i uint8, body string) {
		at := targets[int(i)%len(targets)]
		a := w.in(t).as(root).do(at.method, at.path, body)
		if a.Status >= 500 {
			t.Fatalf("%s %s: %d %s", at.method, at.path, a.Status, a.Body)
		}
		if len(a.Body) > 0 {
			a.json()
		}
		if a.Status >= 400 && a.text("code") == "" {
			t.Fatalf("%s %s: an error without code: %s", at.method, at.path, a.Body)
		}
		if strings.Contains(string(a.Body), "Go struct") {
			t.Fatalf("the answer quotes a decoder: %s", a.Body)
		}
	})
}

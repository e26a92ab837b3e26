package web_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
)

func TestOneObject(t *testing.T) {
	const depth = 4
	tests := []struct {
		name, text string
		want       string // the error; empty means accepted
	}{
		{"an empty object", `{}`, ""},
		{"members", `{"a":1,"b":"a","c":null,"d":[{"a":1},{"a":2}],"e":{"a":true}}`, ""},
		{"a name that is a value too", `{"a":"b","b":"a"}`, ""},
		{"nothing", ``, "is not one JSON object"},
		{"an array", `[{}]`, "is not one JSON object"},
		{"a text", `"a"`, "is not one JSON object"},
		{"two objects", `{} {}`, "is not one JSON object"},
		{"text behind it", `{}x`, "is not one JSON object"},
		{"cut off", `{"a":1`, "is not one JSON object"},
		{"no UTF-8", "{\"a\":\"\xff\"}", "is not one JSON object"},
		{"twice", `{"a":1,"a":2}`, "has a member twice"},
		{"twice in another case", `{"a":1,"A":2}`, "has a member twice"},
		{"twice in a spelling that decoders fold", `{"s":1,"ſ":2}`, "has a member twice"},
		{"twice by an escape", `{"a":1,"\u0061":2}`, "has a member twice"},
		{"twice deep below", `{"a":[{"b":{"c":1,"c":2}}]}`, "has a member twice"},
		{"as deep as may be", `{"a":[[{}]]}`, ""},
		{"deeper", `{"a":[[[{}]]]}`, "is nested too deeply"},
		{"U+0000", `{"a":"b\u0000"}`, "has the character U+0000"},
		{"U+0000 in a name", `{"a\u0000":"b"}`, "has the character U+0000"},
		{"another control character", `{"a":"b\u0001"}`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if err := web.OneObject([]byte(tt.text), depth); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("error = %q, want %q", got, tt.want)
			}
		})
	}
}

// FuzzOneObject: what is accepted is an object to a decoder too, and means the same to one that knows names exactly.
func FuzzOneObject(f *testing.F) {
	for _, text := range []string{`{}`, `{"a":[{"b":1}]}`, `{"a":1,"A":2}`, `{"s":1,"ſ":2}`, `{"K":1,"K":2}`, `[]`, `{} `} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if web.OneObject([]byte(text), 32) != nil {
			return
		}
		var object map[string]any
		if err := json.Unmarshal([]byte(text), &object); err != nil {
			t.Fatalf("%q is accepted, and no object: %v", text, err)
		}
		for a := range object {
			for b := range object {
				if a != b && strings.EqualFold(a, b) {
					t.Fatalf("%q has %q and %q", text, a, b)
				}
			}
		}
	})
}

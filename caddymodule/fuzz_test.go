package caddymodule_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-gatehouse/gatehouse/caddymodule"
)

// FuzzCaddyfile reads anything as our directives. Nothing panics; what is
// accepted survives being written as JSON and read again; what is refused is
// refused at a line.
func FuzzCaddyfile(f *testing.F) {
	files, err := filepath.Glob("testdata/adapt/*.caddyfiletest")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range append(files, "../Caddyfile.example") {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		block, _, _ := strings.Cut(string(text), separator)
		f.Add(block)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tokens, err := caddyfile.Tokenize([]byte(text), "Caddyfile")
		if err != nil {
			return
		}
		// Each directive or option starts somewhere in the text.
		for i, token := range tokens {
			d := func() *caddyfile.Dispenser { return caddyfile.NewDispenser(tokens[i:]) }
			switch token.Text {
			case "bearer_auth":
				check(t, new(caddymodule.BearerAuth), new(caddymodule.BearerAuth), d())
			case "authorization_server":
				check(t, new(caddymodule.AuthServer), new(caddymodule.AuthServer), d())
			case "gatehouse":
				check(t, new(caddymodule.App), new(caddymodule.App), d())
			}
		}
	})
}

func check(t *testing.T, module, again caddyfile.Unmarshaler, d *caddyfile.Dispenser) {
	t.Helper()
	if err := module.UnmarshalCaddyfile(d); err != nil {
		if !strings.Contains(err.Error(), "Caddyfile:") {
			t.Errorf("error without a line: %v", err)
		}
		return
	}
	first, err := json.Marshal(module)
	if err != nil {
		t.Fatalf("accepted, but not JSON: %v", err)
	}
	if err := json.Unmarshal(first, again); err != nil {
		t.Fatalf("its own JSON is refused: %v\n%s", err, first)
	}
	second, err := json.Marshal(again)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(decoded(t, first), decoded(t, second)); diff != "" {
		t.Errorf("read again (-want +got):\n%s", diff)
	}
}

// decoded is JSON without the order of its members.
func decoded(t *testing.T, b []byte) (v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

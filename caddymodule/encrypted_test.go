package caddymodule_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The key printed in RFC 7517 A.2.
const (
	sealingPublic = `"kty":"EC","crv":"P-256","use":"enc","kid":"1",` +
		`"x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"`
	sealingPrivate = sealingPublic + `,"d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"`
)

// TestEncryptionKeyFiles: what is wrong with the key of a resource is refused at load, and a gate in front of it that
// could open no token is warned of.
func TestEncryptionKeyFiles(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"public": "{" + sealingPublic + "}", "private": "{" + sealingPrivate + "}", "none": "hello"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const id = "5f0c9f3a-6c1e-4c55-9a3b-2d7f8e1b4a60"
	config := func(log, key, audience, gate string) string {
		return fmt.Sprintf(`{
	%s
	log warnings {
		output file %s
		level WARN
	}
	gatehouse {
		storage sqlite {
			path %s
		}
		environment demo %s {
			issuer http://localhost:8080/%s/as
			resource orders {
				audience https://orders.example.com
				encryption_key %s
			}
			resource other {
				audience https://other.example.com
			}
		}
	}
}
:8080 {
	bearer_auth {
		issuer http://localhost:8080/%s/as {
			audience %s
			%s
		}
	}
}
`, globals, log, filepath.Join(dir, "db"), id, id, key, id, audience, gate)
	}
	file := func(name string) string { return filepath.Join(dir, name) }
	const orders, other = "https://orders.example.com", "https://other.example.com"
	for _, tt := range []struct {
		name, key, audience, gate string
		want                      string // part of the error; "" is accepted
		warned                    bool
	}{
		{"pair", file("public"), orders, "decryption_key " + file("private"), "", false},
		{"by a placeholder", "{env.GATEHOUSE_TEST_KEY}", orders, "decryption_key " + file("private"), "", false},
		{"gate without a key", file("public"), orders, "", "", true},
		{"gate of another resource without a key", file("public"), other, "", "", false},
		{"gate of both without a key", file("public"), other + " " + orders, "", "", true},
		{"with enc", file("public") + " A128GCM", orders, "decryption_key " + file("private"), "", false},
		{"private key", file("private"), orders, "", `environment demo: resource "orders": encryption_key: ` + file("private") + ": the JWK has private members", false},
		{"no key", file("none"), orders, "", `encryption_key: ` + file("none") + ": no public key found", false},
		{"no file", file("gone"), orders, "", `encryption_key: open `, false},
		{"unknown enc", file("public") + " A128", orders, "", `encryption_key: ` + file("public") + `: no content encryption "A128"`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("GATEHOUSE_TEST_KEY", file("public"))
			log := filepath.Join(t.TempDir(), "log")
			err := validate(config(log, tt.key, tt.audience, tt.gate))
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("error = %v, want %q in it", err, tt.want)
			}
			text, _ := os.ReadFile(log) // without a line there may be no file
			if warned := strings.Contains(string(text), "has no key to open them"); warned != tt.warned {
				t.Errorf("warned = %v, want %v: %s", warned, tt.warned, text)
			}
		})
	}
}

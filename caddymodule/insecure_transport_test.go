package caddymodule_test

import (
	"fmt"
	"strings"
	"testing"
)

// TestAttackUnverifiedChannel is case 87's metric: an issuer that may be reached
// over plain http shows, and one that may not does as well.
func TestAttackUnverifiedChannel(t *testing.T) {
	port, admin := freePort(t), freePort(t)
	const plain, safe = "http://127.0.0.1:9", "https://safe.example.com"
	config, err := adapt("{\n" + strings.Replace(globals, "admin off", fmt.Sprintf("admin 127.0.0.1:%d", admin), 1) + "\n}\n" + fmt.Sprintf(`http://localhost:%d {
		bearer_auth {
			issuer %s {
				insecure_loopback_http
			}
			issuer %s
			audience a
		}
		respond ok
	}`, port, plain, safe))
	if err != nil {
		t.Fatal(err)
	}
	loadJSON(t, config)
	metrics := get(t, fmt.Sprintf("http://127.0.0.1:%d/metrics", admin), "").Body
	for is, want := range map[string]string{plain: "1", safe: "0"} {
		t.Run("case_87 "+is, func(t *testing.T) {
			if line := fmt.Sprintf("gatehouse_insecure_transport{issuer=%q} %s\n", is, want); !strings.Contains(metrics, line) {
				t.Errorf("metrics lack %s", line)
			}
		})
	}
}

package authserver_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/caddy-gatehouse/gatehouse/"

var (
	basics = []string{"oauth", "jose", "dpop", "mtls", "internal/secret", "internal/web", "internal/fetch", "internal/cache", "internal/limit", "internal/pattern"}
	rules  = []string{"keys", "clientauth", "token", "grant", "session", "identity", "authorize", "flow", "logout", "registration"}
	// What is managed, by whom, and who is told.
	managing = []string{"directory", "access", "webhook", "transfer"}
)

func join(lists ...[]string) []string { return slices.Concat(lists...) }

// layers is the table of the architecture: what each package below authserver
// may import of this module. Data flows one way, so a new package or a new
// import changes this table, with its reason in the commit.
var layers = map[string][]string{
	"oauth":            {},
	"jose":             {},
	"internal/secret":  {},
	"internal/cache":   {}, // shared by the gate and the token rules; ristretto's one importer
	"internal/limit":   {}, // how often something may be tried; used by identity and flow
	"internal/pattern": {},
	"internal/web":     {"oauth"},
	"internal/fetch":   {"oauth", "jose"}, // oauth: names of the ways in which a client authenticates
	"dpop":             {"oauth", "jose"}, // proofs of possession: what server and gate judge alike
	"mtls":             {"jose"},

	"resourceserver": {"oauth", "jose", "dpop", "mtls", "internal/fetch", "internal/cache"},
	// Beside the verifier: what a gate may add to it.
	"policy":    {"resourceserver", "jose"},
	"mcp":       {"oauth", "jose"},
	"upstream":  {"oauth", "jose", "resourceserver", "internal/fetch", "internal/cache"},
	"assertion": {"oauth", "jose", "internal/fetch"},

	"store":           {"oauth", "jose", "internal/secret", "mtls"}, // jose: the key that a resource's tokens are encrypted to
	"store/declared":  {"oauth", "jose", "store", "mtls", "internal/secret", "internal/pattern"},
	"store/storetest": {"store"},
	"store/sqlstore":  {"store"},
	"store/sqlite":    {"store", "store/sqlstore"},
	"store/postgres":  {"store", "store/sqlstore"},

	"keys":       join(basics, []string{"store"}),
	"clientauth": join(basics, []string{"store"}),
	"token":      join(basics, []string{"store", "keys"}),
	"grant":      join(basics, []string{"store", "token", "session"}), // tokens of people live with their session
	"notify":     basics,
	"session":    join(basics, []string{"store"}),
	"identity":   join(basics, []string{"store", "notify"}),
	// Request objects are signed with clients' keys, id_token_hints with ours.
	"authorize": join(basics, []string{"store", "clientauth", "keys", "session", "token"}),
	"outbox":    {"store"},
	"logout":    join(basics, []string{"store", "keys", "session", "token", "outbox"}),
	// One state machine behind the hosted pages and the flows API.
	"flow":         join(basics, []string{"store", "authorize", "identity", "logout", "session"}),
	"registration": join(basics, []string{"store"}),
	"ui":           join(basics, []string{"store", "flow", "session"}),
	"endpoint":     join(basics, rules, []string{"store"}),

	// Objects are checked and changed in one place, whoever asks for it.
	"internal/scim": {},
	"directory":     join(basics, []string{"store", "store/declared"}),
	"access":        join(basics, []string{"store", "token", "directory"}),
	"webhook":       join(basics, []string{"store", "directory", "outbox"}),
	"transfer":      join(basics, []string{"store", "directory", "identity", "keys"}),
	"management":    join(basics, managing, []string{"store", "internal/scim", "identity", "keys", "logout", "session", "token"}),

	// Old paths and shapes over the same engine: it translates, so it sees what it translates. Who imports it: see owners.
	"legacy": join(basics, []string{"store", "endpoint", "clientauth", "grant", "identity", "logout", "session", "token"}),

	"internal/testkit": nil, // tests only: anything
	"flow/flowtest":    nil, // tests only: flows without the rest of a server
}

// owners names the packages that alone may import a dependency, or what is to be easy to delete.
var owners = map[string][]string{
	"github.com/lestrrat-go/jwx/":         {"authserver/jose"},
	"github.com/dgraph-io/ristretto/":     {"authserver/internal/cache"},
	"github.com/jackc/pgx/":               {"authserver/store/postgres"},
	"modernc.org/sqlite":                  {"authserver/store/sqlite"},
	"github.com/pressly/goose/":           {"authserver/store/sqlstore", "authserver/store/sqlite", "authserver/store/postgres"},
	"github.com/prometheus/client_golang": {"caddymodule"},
	"github.com/caddyserver/caddy/":       {"caddymodule", "cmd/caddy"},
	"github.com/caddyserver/certmagic":    {"caddymodule"},
	"github.com/spf13/cobra":              {"caddymodule"},
	"software.sslmate.com/":               {"authserver/keys"},
	"github.com/smallstep/pkcs7":          {"authserver/keys"},
	"golang.org/x/crypto/argon2":          {"authserver/identity"},
	"golang.org/x/time/rate":              {"authserver/internal/limit"},
	"cel.dev/cel-go":                      {"authserver/policy"},
	"github.com/envoyproxy/":              {"caddymodule"},
	"google.golang.org/grpc":              {"caddymodule"},
	"google.golang.org/protobuf":          {"caddymodule"}, // its wire format, for Envoy's messages
	"github.com/wneessen/go-mail":         {"authserver/notify"},
	// Whoever else knew the old paths would keep them alive.
	module + "authserver/legacy": {"authserver", "caddymodule"},
}

type listed struct {
	ImportPath string
	Imports    []string
}

func TestArchitecture(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", module+"...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	dec := json.NewDecoder(strings.NewReader(string(out)))
	seen := map[string]bool{}
	for {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		path := strings.TrimPrefix(p.ImportPath, module)
		checkOwners(t, path, p.Imports)
		if name, ok := strings.CutPrefix(path, "authserver/"); ok {
			seen[name] = true
			checkLayer(t, name, p.Imports)
		}
		if strings.HasPrefix(path, "integration") && !strings.HasPrefix(path, "integration/bench") {
			for _, imp := range p.Imports {
				if own, ok := strings.CutPrefix(imp, module); ok && !strings.HasPrefix(own, "integration") {
					t.Errorf("%s imports %s: the tests from outside know only the binary", path, own)
				}
			}
		}
	}
	for name := range layers {
		if !seen[name] {
			t.Errorf("the table has %s, which does not exist", name)
		}
	}
}

func checkLayer(t *testing.T, name string, imports []string) {
	t.Helper()
	allowed, ok := layers[name]
	if !ok {
		t.Errorf("authserver/%s is not in the table", name)
		return
	}
	if allowed == nil {
		return
	}
	for _, imp := range imports {
		own, ok := strings.CutPrefix(imp, module)
		if !ok {
			continue
		}
		if below, ok := strings.CutPrefix(own, "authserver/"); !ok || !slices.Contains(allowed, below) {
			t.Errorf("authserver/%s imports %s, which the table does not allow", name, own)
		}
	}
}

func checkOwners(t *testing.T, path string, imports []string) {
	t.Helper()
	for _, imp := range imports {
		for dep, who := range owners {
			if strings.HasPrefix(imp, dep) && !slices.Contains(who, path) && !strings.HasPrefix(path, "integration/") {
				t.Errorf("%s imports %s, which belongs to %v alone", path, imp, who)
			}
		}
	}
}

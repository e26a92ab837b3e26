package pgtest

import (
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

var shared struct {
	sync.Mutex
	server *Server
	err    error
}

// Main runs the tests and then stops the shared server.
func Main(m *testing.M) int {
	code := m.Run()
	shared.Lock()
	defer shared.Unlock()
	if shared.server != nil {
		shared.server.Remove()
	}
	return code
}

// Database makes an empty database, dropped at the test's end, and returns its
// connection URL. Where there is no PostgreSQL the test is skipped, or fails in CI.
func Database(t testing.TB) string {
	t.Helper()
	base := os.Getenv("GATEHOUSE_TEST_POSTGRES")
	if base == "" {
		shared.Lock()
		if shared.server == nil && shared.err == nil {
			shared.server, shared.err = newServer()
			if shared.err == nil {
				// It outlives every test, so that nothing depends on the disk.
				shared.server.args = []string{"-c", "fsync=off", "-c", "full_page_writes=off"}
				shared.err = shared.server.Start()
			}
		}
		server, err := shared.server, shared.err
		shared.Unlock()
		if err != nil {
			Missing(t, err)
		}
		base = server.DSN("postgres")
	}
	return newDatabase(t, base)
}

// newDatabase makes a database on the server of the base URL.
func newDatabase(t testing.TB, base string) string {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		t.Fatalf("GATEHOUSE_TEST_POSTGRES must be a URL (postgres://user@host/database)")
	}
	name := "gatehouse_" + strings.ToLower(rand.Text()[:16])
	if out, err := psql(base, "CREATE DATABASE "+name); err != nil {
		t.Fatalf("create database: %v\n%s", err, out)
	}
	t.Cleanup(func() {
		if out, err := psql(base, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Logf("drop database: %v\n%s", err, out)
		}
	})
	u.Path = "/" + name
	return u.String()
}

// Exec runs one statement with psql and returns its rows, one a line, columns
// separated by |.
func Exec(t testing.TB, dsn, statement string) string {
	t.Helper()
	out, err := psql(dsn, statement)
	if err != nil {
		t.Fatalf("%s: %v\n%s", statement, err, out)
	}
	return strings.TrimSpace(out)
}

func psql(dsn string, texts ...string) (string, error) {
	path, err := program("psql")
	if err != nil {
		return "", err
	}
	args := []string{"-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", dsn}
	for _, text := range texts {
		args = append(args, "-c", text)
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("psql: %w", err)
	}
	return string(out), err
}

// Missing skips the test because there is no PostgreSQL, or fails it where that
// is required.
func Missing(t testing.TB, err error) {
	t.Helper()
	if os.Getenv("CI") != "" || os.Getenv("GATEHOUSE_REQUIRE_POSTGRES") != "" {
		t.Fatalf("PostgreSQL is required here: %v", err)
	}
	t.Skipf("no PostgreSQL: %v", err)
}

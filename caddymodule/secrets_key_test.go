package caddymodule_test

import (
	"encoding/base64"
	"encoding/hex"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/caddymodule"
)

func TestSecretsKeyFile(t *testing.T) {
	key := []byte(secret)
	tests := []struct {
		name    string
		content string
		mode    os.FileMode
		want    string // part of the error; empty means accepted
	}{
		{"base64", base64.StdEncoding.EncodeToString(key) + "\n", 0o600, ""},
		{"base64url without padding", base64.RawURLEncoding.EncodeToString(key), 0o600, ""},
		{"hex", hex.EncodeToString(key) + "\n", 0o400, ""},
		{"readable by the group", base64.StdEncoding.EncodeToString(key), 0o640, "0600"},
		{"readable by others", base64.StdEncoding.EncodeToString(key), 0o604, "0600"},
		{"writable by others", base64.StdEncoding.EncodeToString(key), 0o602, "0600"},
		{"31 bytes", base64.StdEncoding.EncodeToString(key[:31]), 0o600, "32 bytes"},
		{"33 bytes", base64.StdEncoding.EncodeToString(append(key, 'x')), 0o600, "32 bytes"},
		{"two keys", strings.Repeat(base64.StdEncoding.EncodeToString(key)+"\n", 2), 0o600, "32 bytes"},
		{"empty", "", 0o600, "read"},
	}
	for _, tt := range tests {
		t.Run("case_132 "+tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "g.db.key")
			if err := os.WriteFile(file, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(file, tt.mode); err != nil { // whatever the umask
				t.Fatal(err)
			}
			got, err := caddymodule.LoadSecretsKey(file, slog.New(slog.DiscardHandler))(true)
			checkRefused(t, err, tt.want)
			if err == nil && string(got) != secret {
				t.Errorf("key = %q, want %q", got, secret)
			}
			if now, _ := os.ReadFile(file); string(now) != tt.content {
				t.Error("the file was changed")
			}
		})
	}
	t.Run("a folder", func(t *testing.T) {
		_, err := caddymodule.LoadSecretsKey(t.TempDir(), slog.New(slog.DiscardHandler))(true)
		checkRefused(t, err, "not a file")
	})
}

// TestSecretsKeyCreated: of many that miss the file at once, one creates it, all
// get the same key, and the log says where it is, once.
func TestSecretsKeyCreated(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "folder")
	file := filepath.Join(dir, "g.db.key")
	var log lockedBuffer
	keys := make([]string, 16)
	var wg sync.WaitGroup
	for i := range keys {
		load := caddymodule.LoadSecretsKey(file, slog.New(slog.NewTextHandler(&log, nil)))
		wg.Go(func() {
			key, err := load(true)
			if err != nil {
				t.Error(err)
			}
			keys[i] = string(key)
		})
	}
	wg.Wait()
	for _, key := range keys {
		if len(key) != 32 || key != keys[0] {
			t.Fatalf("keys differ: %q", keys)
		}
	}
	if text := log.String(); strings.Count(text, file) != 1 || strings.Contains(text, base64.StdEncoding.EncodeToString([]byte(keys[0]))) {
		t.Errorf("log = %q, want the file's name once, and not the key", text)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("left in the folder: %v, %v, want the key file alone", entries, err)
	}
	for path, want := range map[string]os.FileMode{file: 0o600, dir: 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want mode %04o", path, info, err, want)
		}
	}
}

// TestSecretsKeyLost: beside a database that holds sealed keys a missing file is
// an error, never replaced; once it is back it is read.
func TestSecretsKeyLost(t *testing.T) {
	file := filepath.Join(t.TempDir(), "g.db.key")
	load := caddymodule.LoadSecretsKey(file, slog.New(slog.DiscardHandler))
	_, err := load(false)
	checkRefused(t, err, "restore it from a backup")
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Fatalf("%s: %v, want it to be missing still", file, err)
	}
	if err := os.WriteFile(file, []byte(base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := load(false); err != nil {
		t.Errorf("the restored file: %v", err)
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

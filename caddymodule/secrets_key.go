package caddymodule

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
)

// secretsKeySize is the size of the key that seals private keys at rest.
const secretsKeySize = 32

// secretsKey is the key of secrets_key, or that of a file which is created when
// it is missing. Safe for concurrent use.
type secretsKey struct {
	file string // used where no key is configured
	log  *slog.Logger

	mu  sync.Mutex
	key []byte
}

// load returns the key; a file is read, or created, the first time. A missing one
// is only created where nothing has been sealed yet: beside a database that holds
// sealed keys it has been lost, and a new one would hide that. Errors are not
// remembered, so that a file that is mended works without a reload.
func (k *secretsKey) load(create bool) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.key != nil {
		return k.key, nil
	}
	key, err := readKeyFile(k.file)
	switch {
	case err == nil || !errors.Is(err, fs.ErrNotExist):
	case !create:
		err = fmt.Errorf("%s is missing, and the database holds keys that only it can open: restore it from a backup", k.file)
	default:
		var created bool
		if created, err = createKeyFile(k.file); err != nil {
			return nil, fmt.Errorf("secrets_key: %w", err)
		}
		if created {
			k.log.Warn("created a key that seals the signing keys: back it up with the database, which is useless without it", "file", k.file)
		}
		key, err = readKeyFile(k.file)
	}
	if err != nil {
		return nil, fmt.Errorf("secrets_key: %w", err)
	}
	k.key = key
	return key, nil
}

// parseSecretsKey reads 32 bytes as hex or base64. The error does not repeat the
// input.
func parseSecretsKey(text string) ([]byte, error) {
	text = strings.TrimSpace(text)
	if len(text) == hex.EncodedLen(secretsKeySize) {
		if b, err := hex.DecodeString(text); err == nil {
			return b, nil
		}
	}
	unpadded := strings.TrimRight(text, "=")
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if b, err := encoding.DecodeString(unpadded); err == nil && len(b) == secretsKeySize {
			return b, nil
		}
	}
	return nil, fmt.Errorf("not %d bytes in base64 or hex", secretsKeySize)
}

// readKeyFile reads a key file, unless other users could read it too: a key that
// was readable must be thought of as known.
func readKeyFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file", name)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s can be read or written by other users (mode %04o); it must be 0600", name, info.Mode().Perm())
	}
	// Some bytes more than the longest form, so that a longer one is noticed.
	b := make([]byte, 2*hex.EncodedLen(secretsKeySize))
	n, err := f.Read(b)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	key, err := parseSecretsKey(string(b[:n]))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return key, nil
}

// createKeyFile draws a key and writes it durably to a new file. If another
// process was quicker, its file stays and created is false.
func createKeyFile(name string) (created bool, err error) {
	dir := filepath.Dir(name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return false, err
	}
	key := make([]byte, secretsKeySize)
	rand.Read(key) // never fails (Go 1.24)
	text := base64.StdEncoding.EncodeToString(key) + "\n"

	// Written aside first and then linked, the file appears whole or not at all;
	// and a link, unlike a rename, never replaces a file that is there.
	aside, err := os.CreateTemp(dir, filepath.Base(name)+".tmp-*") // O_EXCL, mode 0600
	if err != nil {
		return false, err
	}
	defer os.Remove(aside.Name())
	if err := writeAndClose(aside, text); err != nil {
		return false, err
	}
	err = os.Link(aside.Name(), name)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		// A file system without links. A reader may see the file unfinished: that is
		// an error to it, and it asks again.
		var f *os.File
		if f, err = os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600); err == nil {
			err = writeAndClose(f, text)
		}
	}
	switch {
	case errors.Is(err, fs.ErrExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("create %s: %w", name, err)
	}
	return true, syncDir(dir)
}

func writeAndClose(f *os.File, text string) error {
	_, err := f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}

// syncDir makes a new name in dir survive a crash. Systems that cannot sync a
// directory keep names themselves.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

package notify_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/mail"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/notify"
)

func outbox(t *testing.T) *notify.Outbox {
	t.Helper()
	return &notify.Outbox{
		Dir: filepath.Join(t.TempDir(), "data", "outbox"), Now: testkit.NewClock(time.Unix(1_800_000_000, 0)).Now,
	}
}

// files are the messages in the order of their names.
func files(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.eml"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

func parse(t *testing.T, file string) (mail.Header, string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := mail.ReadMessage(f)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(m.Body)
	if err != nil {
		t.Fatal(err)
	}
	return m.Header, strings.ReplaceAll(string(body), "\r\n", "\n")
}

func TestOutbox(t *testing.T) {
	o := outbox(t)
	if err := o.Send(t.Context(), message(func(m *notify.Message) { m.Locale = "de"; m.Brand = "Grüne Wölfe" })); err != nil {
		t.Fatal(err)
	}
	names := files(t, o.Dir)
	if len(names) != 1 || !regexp.MustCompile(`^20270115T080000\.000000000Z-[0-9a-f]{12}\.eml$`).MatchString(filepath.Base(names[0])) {
		t.Fatalf("files = %q, want one, named by its time", names)
	}
	for path, want := range map[string]os.FileMode{names[0]: 0o600, o.Dir: os.ModeDir | 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: mode %v, %v, want %v: a code is in it", filepath.Base(path), info.Mode(), err, want)
		}
	}
	raw, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	id := regexp.MustCompile(`Message-ID: <[0-9a-f-]{36}@`)
	if !id.Match(raw) {
		t.Error("no Message-ID, or one that says more than it should")
	}
	testkit.Golden(t, "recovery.eml", id.ReplaceAll(raw, []byte("Message-ID: <id@")))
	header, body := parse(t, names[0])
	subject, err := new(mime.WordDecoder).DecodeHeader(header.Get("Subject"))
	if err != nil || subject != "Grüne Wölfe: Ihr Wiederherstellungscode" {
		t.Errorf("subject = %q, %v", subject, err)
	}
	if to := header.Get("To"); to != "<alice@example.com>" || !strings.Contains(body, "\n    ABCD2345\n") {
		t.Errorf("to %q, want alice, and the code to be legible in the file:\n%s", to, body)
	}
}

func TestOutboxOrder(t *testing.T) {
	o := outbox(t) // its clock stands still
	for i := range 20 {
		if err := o.Send(t.Context(), message(func(m *notify.Message) { m.Code = fmt.Sprintf("CODE%04d", i) })); err != nil {
			t.Fatal(err)
		}
	}
	for i, name := range files(t, o.Dir) {
		if _, body := parse(t, name); !strings.Contains(body, fmt.Sprintf("CODE%04d", i)) {
			t.Errorf("file %d is not message %d", i, i)
		}
	}
}

func TestOutboxKeepsTheNewest1000(t *testing.T) {
	o := outbox(t)
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	put := func(name string, age time.Duration) string {
		path := filepath.Join(o.Dir, name)
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		at := o.Now().Add(-age)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
		return path
	}
	var old []string
	for i := range 1005 {
		old = append(old, put(fmt.Sprintf("20200101T000000.%09dZ-0123456789ab.eml", i), time.Hour))
	}
	kept := []string{put("README", 100*time.Hour), put("0-notes.eml", 100*time.Hour), put(".draft-new", time.Minute), old[6], old[1004]}
	gone := []string{put(".draft-old", 2*time.Hour), old[0], old[5]}
	if err := o.Send(t.Context(), message(nil)); err != nil {
		t.Fatal(err)
	}
	for _, path := range kept {
		if _, err := os.Stat(path); err != nil {
			t.Errorf("%s is gone, want it kept", filepath.Base(path))
		}
	}
	for _, path := range gone {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v, want it gone", filepath.Base(path), err)
		}
	}
	if got := len(files(t, o.Dir)); got != 1001 { // the 1000, and somebody's notes
		t.Errorf("%d files, want 1001", got)
	}
}

func TestOutboxAtOnce(t *testing.T) {
	o := outbox(t)
	stop := make(chan struct{})
	var watching, sending sync.WaitGroup
	watching.Go(func() { // whatever can be seen is complete
		for {
			select {
			case <-stop:
				return
			default:
			}
			names, _ := filepath.Glob(filepath.Join(o.Dir, "*.eml"))
			for _, name := range names {
				if b, err := os.ReadFile(name); err == nil && !strings.Contains(string(b), "-- ") {
					t.Errorf("an incomplete file of %d bytes", len(b))
				}
			}
		}
	})
	for range 50 {
		sending.Go(func() {
			if err := o.Send(context.Background(), message(nil)); err != nil {
				t.Error(err)
			}
		})
	}
	sending.Wait()
	close(stop)
	watching.Wait()
	if got := len(files(t, o.Dir)); got != 50 {
		t.Errorf("%d files, want 50", got)
	}
}

func TestOutboxRefuses(t *testing.T) {
	for name, change := range map[string]func(m *notify.Message){
		"no address":              func(m *notify.Message) { m.To = "" },
		"a header in the address": func(m *notify.Message) { m.To = "alice@example.com\r\nBcc: all@example.com" },
		"no code":                 func(m *notify.Message) { m.Code = "" },
	} {
		t.Run(name, func(t *testing.T) {
			o := outbox(t)
			err := o.Send(t.Context(), message(change))
			if err == nil || strings.Contains(err.Error(), "example.com") || strings.Contains(err.Error(), "ABCD2345") {
				t.Errorf("error = %v, want one without the address and the code", err)
			}
			if got := files(t, o.Dir); len(got) != 0 {
				t.Errorf("files = %q, want none", got)
			}
		})
	}
	t.Run("a directory that cannot be made", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		o := &notify.Outbox{Dir: filepath.Join(file, "outbox")}
		if err := o.Send(t.Context(), message(nil)); err == nil {
			t.Error("no error")
		}
	})
	t.Run("a context that has ended", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := outbox(t).Send(ctx, message(nil)); !errors.Is(err, context.Canceled) {
			t.Errorf("error = %v, want the context's", err)
		}
	})
}

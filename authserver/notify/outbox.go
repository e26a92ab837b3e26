package notify

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wneessen/go-mail"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
)

// Outbox writes each message to a file, for a developer to read: codes lie there
// in the clear, so it is not for production. Safe for concurrent use, also of
// several processes.
//
// Files are named "<time>-<id>.eml", sort by time, and are complete when they
// appear. The newest 1000 are kept.
type Outbox struct {
	// Dir is made where it is missing, for this user alone.
	Dir string
	// From is the sender. Default "no-reply@localhost".
	From string
	// Now is the clock. Default time.Now.
	Now func() time.Time

	mu   sync.Mutex
	last time.Time
}

const (
	outboxKept  = 1000
	outboxTime  = "20060102T150405.000000000Z"
	outboxDraft = ".draft-"
	// A draft older than this was left behind by a process that ended while writing.
	outboxDraftLife = time.Hour
)

// Send writes the file.
func (o *Outbox) Send(ctx context.Context, m Message) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	at := time.Now()
	if o.Now != nil {
		at = o.Now()
	}
	if !at.After(o.last) { // names tell the order even where the clock stands still
		at = o.last.Add(time.Nanosecond)
	}
	o.last = at
	id := secret.NewID()
	// Unencoded lines, so that people and tests can read the file as it is.
	msg, err := compose(m, cmp.Or(o.From, "no-reply@localhost"), at, id, mail.NoEncoding)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return fmt.Errorf("notify: outbox: %w", err)
	}
	if err := o.write(msg, at.UTC().Format(outboxTime)+"-"+id[24:]+".eml"); err != nil {
		return fmt.Errorf("notify: outbox: %w", err)
	}
	return o.prune(at)
}

// write makes the file under another name first: who looks sees all of it or
// nothing.
func (o *Outbox) write(msg *mail.Msg, name string) (err error) {
	draft, err := os.CreateTemp(o.Dir, outboxDraft) // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(draft.Name())
		}
	}()
	_, err = msg.WriteTo(draft)
	if closed := draft.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return os.Rename(draft.Name(), filepath.Join(o.Dir, name))
}

// prune removes the oldest messages beyond the bound, and abandoned drafts. It touches nothing
// else that may lie in the directory.
func (o *Outbox) prune(now time.Time) error {
	entries, err := os.ReadDir(o.Dir)
	if err != nil {
		return fmt.Errorf("notify: outbox: %w", err)
	}
	var messages []string
	for _, e := range entries {
		switch name := e.Name(); {
		case !e.Type().IsRegular():
		case strings.HasPrefix(name, outboxDraft):
			if info, err := e.Info(); err == nil && now.Sub(info.ModTime()) > outboxDraftLife {
				_ = os.Remove(filepath.Join(o.Dir, name))
			}
		case isOutboxName(name):
			messages = append(messages, name)
		}
	}
	slices.Sort(messages)
	for _, name := range messages[:max(0, len(messages)-outboxKept)] {
		_ = os.Remove(filepath.Join(o.Dir, name)) // another process may have been quicker
	}
	return nil
}

// isOutboxName reports whether a file is one of ours.
func isOutboxName(name string) bool {
	at, rest, ok := strings.Cut(name, "-")
	if !ok || len(rest) != 12+len(".eml") || !strings.HasSuffix(rest, ".eml") {
		return false
	}
	_, err := time.Parse(outboxTime, at)
	return err == nil
}

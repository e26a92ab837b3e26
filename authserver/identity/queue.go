package identity

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/notify"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const (
	maxQueue   = 256 // messages waiting: a mail server that does not answer must not fill the memory
	maxSenders = 4
	jobTime    = 30 * time.Second // for one message
)

// queue does what an answer must not wait for, since the time would tell something. It has
// goroutines only while there is work.
type queue struct {
	mu      sync.Mutex
	jobs    []func(context.Context)
	senders int
	idle    chan struct{} // closed when there are no senders any more; nil before the first
	// stop ends those under way; made with the first job.
	ctx  context.Context
	stop context.CancelFunc
}

// add enqueues a job, unless there are too many.
func (q *queue) add(job func(context.Context)) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.jobs) >= maxQueue {
		return false
	}
	if q.stop == nil {
		q.ctx, q.stop = context.WithCancel(context.Background())
	}
	q.jobs = append(q.jobs, job)
	if q.senders == 0 {
		q.idle = make(chan struct{})
	}
	if q.senders < maxSenders {
		q.senders++
		go q.work()
	}
	return true
}

// work does jobs until there are none.
func (q *queue) work() {
	for {
		q.mu.Lock()
		if len(q.jobs) == 0 {
			if q.senders--; q.senders == 0 {
				close(q.idle)
			}
			q.mu.Unlock()
			return
		}
		job := q.jobs[0]
		q.jobs = q.jobs[1:]
		q.mu.Unlock()
		ctx, cancel := context.WithTimeout(q.ctx, jobTime)
		job(ctx)
		cancel()
	}
}

// Close waits until the messages that were promised are sent, and, when ctx ends first, gives up those and all that come later. A request that is answered
// meanwhile, or after Close, can still promise one: it is sent too. Everything of u goes on working.
func (u *Users) Close(ctx context.Context) error {
	q := &u.outgoing
	q.mu.Lock()
	idle, stop := q.idle, q.stop
	q.mu.Unlock()
	if idle == nil {
		return nil
	}
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		stop()
		<-idle // soon: every job honours its context
		return ctx.Err()
	}
}

// background does job later. What goes wrong there is known to the log alone.
func (u *Users) background(env *store.Environment, kind notify.Kind, job func(context.Context) error) {
	failed := func(reason string, attrs ...any) {
		u.Log.Error("message not sent", append([]any{"environment", env.ID, "kind", string(kind), "reason", reason}, attrs...)...)
	}
	ok := u.outgoing.add(func(ctx context.Context) {
		if err := job(ctx); err != nil {
			failed("failed", slog.String("error", err.Error()))
		}
	})
	if !ok {
		failed("queue_full")
	}
}

// send brings a code to user. A notifier's error is not to name the address or the code; what it
// should not, it does not get into the log.
func (u *Users) send(ctx context.Context, env *store.Environment, user *store.User, kind notify.Kind, locale string, code secret.Value) error {
	name, _ := user.Claims["name"].(string)
	if given, _ := user.Claims["given_name"].(string); name == "" {
		name = given
	}
	brand := env.Branding.Name
	if brand == "" {
		brand = env.Name
	}
	if locale == "" {
		locale = env.Branding.Language
	}
	address := email(user)
	err := u.Notifier.Send(ctx, notify.Message{
		Kind: kind, To: address, Name: name, Brand: brand, Locale: locale, Code: code.Reveal(),
	})
	if err != nil && (strings.Contains(err.Error(), address) || strings.Contains(err.Error(), code.Reveal())) {
		return errUntold
	}
	return err
}

var errUntold = errors.New("the notifier failed, and its error names the recipient or the code")

// recipient is the key of the limit on messages to one address.
func recipient(env *store.Environment, address string) string {
	return "to " + env.ID + " " + strings.ToLower(address)
}

package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/postgres"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/storetest"
	"github.com/caddy-gatehouse/gatehouse/integration/pgtest"
)

// start starts a handle with a log that is closed at the test's end.
func start(t *testing.T, dsn string) (*postgres.DB, *testkit.Buffer) {
	t.Helper()
	log := &testkit.Buffer{}
	db, err := postgres.New(postgres.Config{DSN: dsn, Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	db.Start()
	t.Cleanup(func() { db.Close() })
	return db, log
}

func revocation(n int) store.Revocation {
	return store.Revocation{Environment: "env", Kind: store.RevokedToken, Value: fmt.Sprint(n),
		At: storetest.Now, ExpiresAt: storetest.Now.Add(time.Hour)}
}

func TestDSN(t *testing.T) {
	tests := []struct{ name, dsn, want string }{
		{"a URL", "postgres://u:hunter2@db.example.com:5432/gatehouse", ""},
		{"keywords", "host=db.example.com user=u password=hunter2 dbname=gatehouse", ""},
		{"none", "", "no dsn"},
		{"a bad port", "postgres://u:hunter2@db.example.com:port/gatehouse", "port"},
		{"a bad keyword string", "host=db.example.com password='hunter2", "cannot parse"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			db, err := postgres.New(postgres.Config{DSN: tt.dsn})
			if err == nil {
				db.Close()
			}
			if got := fmt.Sprint(err); (err == nil) != (tt.want == "") || tt.want != "" && !strings.Contains(got, tt.want) {
				t.Errorf("New = %v, want %q", err, tt.want)
			}
			if strings.Contains(fmt.Sprint(err), "hunter2") {
				t.Errorf("the error repeats the password: %v", err)
			}
		})
	}
}

// A server that is down at start, and one that is restarted, are waited for.
func TestServerAwayAndBack(t *testing.T) {
	server := pgtest.New(t)
	db, log := start(t, server.DSN("postgres"))
	w := storetest.StartWatch(t, db, storetest.Now)

	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := db.Ping(ctx); err == nil {
		t.Error("Ping of a server that is down = nil, want an error")
	}
	log.Says(t, "database is not available")
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	if err := db.PutRevocation(t.Context(), revocation(1)); err != nil {
		t.Fatalf("PutRevocation while the server starts = %v, want nil", err)
	}
	w.UntilAlive(t, true)
	for _, want := range []string{"database is not available", "database is available"} {
		if n := strings.Count(log.String(), want); want == "database is available" && n != 1 || n == 0 {
			t.Errorf("the log says %d times %q:\n%s", n, want, log.String())
		}
	}

	server.Kill()
	w.UntilAlive(t, false)
	for name, err := range map[string]error{
		"PutRevocation": db.PutRevocation(t.Context(), revocation(2)),
		"Ping":          db.Ping(t.Context()),
		"KeyRing":       func() error { _, _, err := db.KeyRing(t.Context(), "env"); return err }(),
	} {
		if !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s while the server is down = %v, want ErrUnavailable", name, err)
		}
	}

	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	w.UntilAlive(t, true)
	if err := db.PutRevocation(t.Context(), revocation(3)); err != nil {
		t.Errorf("PutRevocation after the restart = %v, want nil", err)
	}
	fresh, _ := start(t, server.DSN("postgres"))
	again := storetest.StartWatch(t, fresh, storetest.Now)
	again.UntilAlive(t, true)
	for _, n := range []int{1, 3} {
		if _, ok := again.Has(revocation(n)); !ok {
			t.Errorf("revocation %d was acknowledged and is lost", n)
		}
	}
}

// The listening connection is cut again and again while another node revokes.
func TestListenerCut(t *testing.T) {
	dsn := pgtest.Database(t)
	a, b := open(t, dsn), open(t, dsn)
	w := storetest.StartWatch(t, b, storetest.Now)
	w.UntilAlive(t, true)
	const n = 300
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range n {
			if err := a.PutRevocation(t.Context(), revocation(i)); err != nil {
				t.Errorf("PutRevocation = %v", err)
			}
			time.Sleep(3 * time.Millisecond)
		}
	}()
	cut := 0
	for running := true; running; {
		select {
		case <-done:
			running = false
		case <-time.After(150 * time.Millisecond):
			out := pgtest.Exec(t, dsn, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'")
			cut += strings.Count(out, "t")
		}
	}
	if cut == 0 {
		t.Fatal("no listening connection was cut: the test shows nothing")
	}
	w.Until(t, "every revocation has arrived", 20*time.Second, func() bool {
		for i := range n {
			if _, ok := w.Has(revocation(i)); !ok {
				return false
			}
		}
		return true
	})
	w.UntilAlive(t, true)
	falls := 0
	for _, ok := range w.Alive() {
		if !ok {
			falls++
		}
	}
	if falls == 0 {
		t.Error("alive(false) was never called, want one per cut")
	}
	t.Logf("%d cuts, alive(false) %d times, none of %d lost", cut, falls, n)
}

// blackhole passes connections on until it swallows everything, without
// closing them: what a network does that loses a node.
type blackhole struct {
	net.Listener
	to      string
	swallow atomic.Bool
}

func newBlackhole(t *testing.T, dsn string) (*blackhole, string) {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &blackhole{Listener: l, to: u.Host}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", b.to)
			if err != nil {
				client.Close()
				continue
			}
			go b.copy(client, server)
			go b.copy(server, client)
		}
	}()
	u.Host = l.Addr().String()
	return b, u.String()
}

func (b *blackhole) copy(to, from net.Conn) {
	defer to.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if !b.swallow.Load() {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
	}
}

// A connection that dies without a word is noticed within about 10 seconds.
func TestSilentDeath(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Database(t)
	a := open(t, dsn)
	hole, through := newBlackhole(t, dsn)
	b := open(t, through)
	w := storetest.StartWatch(t, b, storetest.Now)
	w.UntilAlive(t, true)

	hole.swallow.Store(true)
	begin := time.Now()
	if err := a.PutRevocation(t.Context(), revocation(1)); err != nil {
		t.Fatal(err)
	}
	w.UntilAlive(t, false)
	if took := time.Since(begin); took > 12*time.Second {
		t.Errorf("noticed after %v, want about 8s", took)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := b.Ping(ctx); err == nil {
		t.Error("Ping through the hole = nil, want an error")
	}

	hole.swallow.Store(false)
	w.UntilAlive(t, true)
	if _, ok := w.Has(revocation(1)); !ok {
		t.Error("the revocation made meanwhile is lost")
	}
}

// Another program's message, or one too long to send, makes the nodes read
// everything again.
func TestForeignNotification(t *testing.T) {
	dsn := pgtest.Database(t)
	db := open(t, dsn)
	w := storetest.StartWatch(t, db, storetest.Now)
	w.UntilAlive(t, true)
	pgtest.Exec(t, dsn, `INSERT INTO revocations VALUES ('env', 'token', '7', 0, 4000000000)`)
	if _, ok := w.Has(revocation(7)); ok {
		t.Fatal("delivered without a notification: the test shows nothing")
	}
	pgtest.Exec(t, dsn, `NOTIFY gatehouse_revocations, 'hello'`)
	w.Until(t, "the revocation is read", 10*time.Second, func() bool { _, ok := w.Has(revocation(7)); return ok })
}

// Nodes that start at once on an empty database migrate it once.
func TestStartAtOnce(t *testing.T) {
	dsn := pgtest.Database(t)
	var wg sync.WaitGroup
	for range 5 {
		db := open(t, dsn)
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			for {
				err := db.Ping(ctx)
				if err == nil {
					break
				}
				if !errors.Is(err, store.ErrUnavailable) || ctx.Err() != nil {
					t.Errorf("Ping = %v", err)
					break
				}
			}
		})
	}
	wg.Wait()
	if got := pgtest.Exec(t, dsn, "SELECT count(*) FROM goose_db_version WHERE version_id = 1"); got != "1" {
		t.Errorf("the first migration is recorded %s times, want 1", got)
	}
}

func TestNewerDatabaseIsRefused(t *testing.T) {
	dsn := pgtest.Database(t)
	if err := postgres.MigrateTo(t.Context(), dsn, 1); err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, dsn, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (1000, true)")
	db, log := start(t, dsn)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := db.Ping(ctx); err == nil {
		t.Error("a database of version 1000 is opened, want an error")
	}
	log.Says(t, "version 1000 by a newer program")
}

// A server that does not wait for the disk is told to.
func TestDurableWhateverTheServerSays(t *testing.T) {
	dsn := pgtest.Database(t)
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimPrefix(u.Path, "/")
	for setting, want := range map[string]string{"off": "on", "local": "local"} {
		pgtest.Exec(t, dsn, "ALTER DATABASE "+name+" SET synchronous_commit = "+setting)
		got, err := postgres.Setting(t.Context(), dsn, "synchronous_commit")
		if err != nil || got != want {
			t.Errorf("with the server's %s: synchronous_commit = %q, %v, want %q", setting, got, err, want)
		}
	}
}

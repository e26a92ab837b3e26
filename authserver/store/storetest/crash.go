package storetest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// crashEnv tells the test binary that it is the child of Crash; its value is the
// number of the round and the database.
const crashEnv = "GATEHOUSE_STORETEST_CRASH"

// CrashChild is to be called by TestMain of a package that calls Crash. In the
// child it writes to the opened store until it is killed; elsewhere it returns
// at once.
func CrashChild(open func(database string) store.Store) {
	round, database, ok := strings.Cut(os.Getenv(crashEnv), " ")
	if !ok {
		return
	}
	s := open(database)
	ctx := context.Background()
	// A busy machine may take longer to open it than a call waits.
	for s.Ping(ctx) != nil {
	}
	var out sync.Mutex
	acknowledge := func(kind, id string, err error) {
		out.Lock()
		defer out.Unlock()
		if err != nil {
			fmt.Println("error", kind, id, err)
			os.Exit(1)
		}
		fmt.Println(kind, id)
	}
	for g := range 32 {
		go func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("%s-%d-%06d", round, g, i)
				switch g % 11 {
				case 0:
					acknowledge("revocation", id, s.PutRevocation(ctx, revocation(id)))
				case 1:
					acknowledge("spent", id, s.Spend(ctx, env1, hash(id), Now.Add(time.Hour), Now))
				case 2:
					acknowledge("ticket", id, s.PutTicket(ctx, ticket(id)))
					_, err := s.TakeTicket(ctx, env1, store.TicketCode, hash(id), Now)
					acknowledge("taken", id, err)
				case 3:
					acknowledge("family", id, s.PutFamily(ctx, family(id), refresh(id, Now)))
					_, _, err := s.RotateRefreshToken(ctx, env1, refresh(id, Now).Hash, refresh(id+"'", Now), 0, true, Now)
					acknowledge("rotated", id, err)
				case 4:
					acknowledge("session", id, s.PutSession(ctx, session(id)))
					if i%2 == 0 {
						_, err := s.EndSession(ctx, env1, id)
						acknowledge("ended", id, err)
					}
				case 5:
					acknowledge("credential", id, s.PutCredential(ctx, credential(id)))
				case 6:
					acknowledge("consent", id, s.PutConsent(ctx, consent(id)))
					acknowledge("delivery", id, s.PutDelivery(ctx, delivery(id)))
				case 7:
					acknowledge("applied", id, s.Apply(ctx, store.Write{
						Environment: env1, Put: []store.Object{object(id), child(id, "child "+id)}, PutUsers: []store.User{newUser(id)},
						Revocations: []store.Revocation{revocation("of " + id)}, Events: []store.Event{event(id)},
					}))
					if i%2 == 0 {
						acknowledge("deleted", id, s.Apply(ctx, store.Write{
							Environment: env1, Delete: []store.ObjectVersion{{Kind: store.KindApplication, ID: id, Version: 1}},
						}))
					}
				default:
					acknowledge("token", id, s.PutAccessToken(ctx, crashToken(id)))
				}
			}
		}()
	}
	select {}
}

func crashToken(id string) store.AccessToken {
	t := token(0)
	t.ID = id
	return t
}

// Crash kills a process (this test binary again, see CrashChild) while it
// writes to the database, opens that anew and looks for everything that was
// acknowledged, and does so again with the same database. open's store is closed
// by its test's Cleanup.
func Crash(t *testing.T, database string, open func(t *testing.T, database string) store.Store) {
	acknowledged := make(map[string]bool)
	for round := range 3 {
		t.Run(fmt.Sprint("round ", round), func(t *testing.T) {
			lines := storm(t, round, database, time.Duration(200+150*round)*time.Millisecond)
			for _, line := range lines {
				acknowledged[line] = true
			}
			t.Logf("%d writes acknowledged before the kill", len(lines))
			if len(lines) < 50 {
				t.Fatalf("%d writes acknowledged, want at least 50", len(lines))
			}
			verify(t, open(t, database), acknowledged)
		})
	}
}

// storm runs the child for a while after its first acknowledgement, kills it and
// returns the lines it printed.
func storm(t *testing.T, round int, database string, d time.Duration) (lines []string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), fmt.Sprint(crashEnv, "=", round, " ", database))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	watchdog := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
	defer watchdog.Stop()
	for r := bufio.NewReader(out); ; {
		line, err := r.ReadString('\n')
		if err != nil {
			break // a line without an end was torn by the kill: not acknowledged
		}
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "error") {
			t.Errorf("the child failed: %s", line)
			continue
		}
		if len(lines) == 0 {
			time.AfterFunc(d, func() { _ = cmd.Process.Kill() })
		}
		lines = append(lines, line)
	}
	_ = cmd.Wait()
	return lines
}

// evenCrash reports whether what is called id may have been ended or deleted.
func evenCrash(id string) bool { return strings.ContainsAny(id[len(id)-1:], "02468") }

// verify looks for everything that was acknowledged.
func verify(t *testing.T, s store.Store, acknowledged map[string]bool) {
	t.Helper()
	ctx := testContext(t)
	w := StartWatch(t, s, Now)
	w.UntilAlive(t, true)
	lost := 0
	for line := range acknowledged {
		kind, id, _ := strings.Cut(line, " ")
		var found bool
		switch kind {
		case "token":
			_, err := s.AccessTokenByID(ctx, env1, id, Now.Add(time.Hour), Now)
			found = err == nil
		case "revocation":
			_, found = w.Has(revocation(id))
		case "spent":
			found = errors.Is(s.Spend(ctx, env1, hash(id), Now.Add(time.Hour), Now), store.ErrSpent)
		case "ticket":
			_, err := s.TicketByHash(ctx, env1, store.TicketCode, hash(id), Now)
			found = err == nil || errors.Is(err, store.ErrSpent)
		case "taken":
			_, err := s.TicketByHash(ctx, env1, store.TicketCode, hash(id), Now)
			found = errors.Is(err, store.ErrSpent)
		case "family":
			f, _, _, err := s.FamilyByToken(ctx, env1, refresh(id, Now).Hash, Now)
			found = err == nil && f.ID == id
		case "rotated":
			_, _, spent, err := s.FamilyByToken(ctx, env1, refresh(id, Now).Hash, Now)
			f, next, _, errNext := s.FamilyByToken(ctx, env1, refresh(id+"'", Now).Hash, Now)
			found = spent && err == nil && errNext == nil && f.ID == id && string(next.Sealed) == "sealed "+id+"'"
		case "session":
			_, err := s.SessionByToken(ctx, env1, session(id).Token, Now)
			found = err == nil || evenCrash(id)
		case "ended":
			_, err := s.SessionByID(ctx, env1, id, Now)
			found = errors.Is(err, store.ErrNotFound)
		case "credential":
			_, err := s.CredentialOf(ctx, env1, id)
			found = err == nil
		case "consent":
			_, err := s.ConsentTo(ctx, env1, "alice", id)
			found = err == nil
		case "delivery":
			found = errors.Is(s.PutDelivery(ctx, delivery(id)), store.ErrExists)
		case "applied":
			_, errUser := s.StoredUserByID(ctx, env1, id)
			users, errScan := s.ScanUsers(ctx, store.UserScan{Environment: env1, Attribute: "username", Value: "name of " + id, Limit: 2})
			_, errEvent := s.EventByID(ctx, env1, id, Now)
			_, revoked := w.Has(revocation("of " + id))
			_, errObject := s.ObjectByID(ctx, env1, store.KindApplication, id)
			_, errChild := s.ObjectByID(ctx, env1, store.KindGrant, "child "+id)
			found = errUser == nil && errScan == nil && len(users) == 1 && errEvent == nil && revoked &&
				(errObject == nil && errChild == nil || evenCrash(id))
		case "deleted":
			_, errObject := s.ObjectByID(ctx, env1, store.KindApplication, id)
			_, errChild := s.ObjectByID(ctx, env1, store.KindGrant, "child "+id)
			found = errors.Is(errObject, store.ErrNotFound) && errors.Is(errChild, store.ErrNotFound)
		default:
			t.Errorf("the child says %q", line)
		}
		if !found {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d acknowledged writes are lost, want none", lost, len(acknowledged))
	}
	w.Stop()
}

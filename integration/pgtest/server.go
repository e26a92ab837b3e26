package pgtest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/integration/ports"
)

// Server is a PostgreSQL server in a temporary folder.
type Server struct {
	dir   string // holds data/ and the socket
	ports *ports.Taken
	port  int
	as    *syscall.SysProcAttr
	args  []string // settings
	log   lockedBuffer

	mu      sync.Mutex
	process *exec.Cmd
	ended   chan struct{}
}

// New prepares a server of the test's own, which is not running yet. It is
// stopped at the test's end. Its settings are the defaults: what is committed
// is on the disk.
func New(t testing.TB) *Server {
	t.Helper()
	s, err := newServer()
	if err != nil {
		Missing(t, err)
	}
	t.Cleanup(s.Remove)
	return s
}

// DSN is the connection URL of a database on this server. Every server has the
// database postgres.
func (s *Server) DSN(database string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", s.port, database)
}

// newServer makes the folder and its cluster.
func newServer() (*Server, error) {
	initdb, err := program("initdb")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "pgtest-")
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, as: &syscall.SysProcAttr{}}
	dieWithParent(s.as)
	fail := func(err error) (*Server, error) {
		s.Remove()
		return nil, err
	}
	if os.Geteuid() == 0 {
		u, err := user.Lookup("postgres")
		if err != nil {
			return fail(fmt.Errorf("PostgreSQL does not run as root: %w", err))
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		if err := os.Chown(dir, uid, gid); err != nil {
			return fail(err)
		}
		s.as.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	if s.ports, err = ports.Take(1); err != nil {
		return fail(err)
	}
	s.port = s.ports.Numbers[0]
	cmd := exec.Command(initdb, "-D", filepath.Join(dir, "data"), "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
	cmd.Dir, cmd.SysProcAttr = dir, s.as
	if out, err := cmd.CombinedOutput(); err != nil {
		return fail(fmt.Errorf("initdb: %w\n%s", err, out))
	}
	return s, nil
}

// Start starts the server and waits until it answers.
func (s *Server) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil {
		return nil
	}
	postgres, err := program("postgres")
	if err != nil {
		return err
	}
	args := []string{"-D", filepath.Join(s.dir, "data"), "-k", s.dir, "-h", "127.0.0.1", "-p", strconv.Itoa(s.port), "-c", "max_connections=200"}
	cmd := exec.Command(postgres, append(args, s.args...)...)
	cmd.Dir, cmd.SysProcAttr, cmd.Stderr = s.dir, s.as, &s.log
	ended := make(chan struct{})
	started := make(chan error, 1)
	go func() {
		defer close(ended)
		// The signal at the parent's death comes at the death of the thread.
		unlock := lockThread()
		defer unlock()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	s.process, s.ended = cmd, ended
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		select {
		case <-ended:
			s.process = nil
			return fmt.Errorf("the server has ended:\n%s", s.log.String())
		default:
		}
		// A connection alone is not enough: the server listens before it is ready.
		if c, err := net.DialTimeout("tcp", s.address(), time.Second); err == nil {
			c.Close()
			if _, err := psql(s.DSN("postgres"), "SELECT 1"); err == nil {
				return nil
			}
		}
	}
	return fmt.Errorf("the server does not answer:\n%s", s.log.String())
}

func (s *Server) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// Stop ends the server and its connections, in order. Its data stay.
func (s *Server) Stop() { s.end(syscall.SIGINT) }

// Kill ends the server as a crash would. Its data stay.
func (s *Server) Kill() { s.end(syscall.SIGQUIT) }

func (s *Server) end(signal syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return
	}
	_ = s.process.Process.Signal(signal)
	select {
	case <-s.ended:
	case <-time.After(20 * time.Second):
		_ = s.process.Process.Kill()
		<-s.ended
	}
	s.process = nil
}

// program finds a program of PostgreSQL: the newest of Debian's, whose psql in
// PATH is only a wrapper, or else in PATH.
func program(name string) (string, error) {
	found, _ := filepath.Glob(filepath.Join("/usr/lib/postgresql/*/bin", name))
	if len(found) > 0 {
		return slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) }), nil
	}
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	return "", errors.New(name + " is neither in /usr/lib/postgresql/*/bin nor in PATH")
}

// version is the number in /usr/lib/postgresql/<number>/bin/<name>.
func version(path string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
	return n
}

// lockedBuffer keeps the server's log.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
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

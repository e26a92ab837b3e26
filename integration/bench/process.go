package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// server is a Caddy that this program started.
type server struct {
	name  string
	dir   string // its Caddyfile, data and log
	admin string // address of the admin endpoint: metrics and profiles
	cmd   *exec.Cmd
	ended chan struct{} // closed when it has exited
}

func (s *server) pid() int { return s.cmd.Process.Pid }

// launch starts binary with a Caddyfile in dir, on the server's core with one P,
// and does not wait for it. It is ended by b.close at the latest.
func (b *bench) launch(name, dir, binary string, config caddyfile, env ...string) (*server, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "Caddyfile")
	if err := os.WriteFile(path, []byte(config.text), 0o600); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close() // the child has its own handle
	cmd := exec.Command(binary, "run", "--config", path, "--adapter", "caddyfile")
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	cmd.Env = append(cmd.Env, env...)
	if err := startOn(cmd, b.place.server); err != nil {
		return nil, err
	}
	s := &server{name: name, dir: dir, admin: config.admin, cmd: cmd, ended: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // how it ended is in its log
		close(s.ended)
	}()
	b.servers = append(b.servers, s)
	return s, nil
}

// serve launches and waits until every site of the config takes connections.
func (b *bench) serve(name, binary string, config caddyfile, env ...string) (*server, error) {
	b.progress("starting %s", name)
	s, err := b.launch(name, filepath.Join(b.runs, name), binary, config, env...)
	if err != nil {
		return nil, err
	}
	for _, addr := range config.sites {
		if err := s.listening(addr); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *server) listening(addr string) error {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		select {
		case <-s.ended:
			return fmt.Errorf("%s ended at start: %s", s.name, s.lastWords())
		default:
		}
		if conn, err := net.Dial("tcp", addr); err == nil {
			return conn.Close()
		}
		time.Sleep(time.Millisecond)
	}
	return fmt.Errorf("%s does not listen on %s: %s", s.name, addr, s.lastWords())
}

// lastWords is the end of the server's log.
func (s *server) lastWords() string {
	text, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(text[max(0, len(text)-600):]))
}

// pause stops the process where it is; resume lets it go on.
func (s *server) pause()  { _ = s.cmd.Process.Signal(syscall.SIGSTOP) }
func (s *server) resume() { _ = s.cmd.Process.Signal(syscall.SIGCONT) }

// stop ends the server and waits for it.
func (s *server) stop() {
	s.resume()
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may be gone already
	select {
	case <-s.ended:
	case <-time.After(5 * time.Second):
		_ = s.cmd.Process.Kill()
		<-s.ended
	}
}

// answers sends one request again and again until its answer has the status,
// as a server that has just started needs some time to serve. It gives that answer's body.
func (s *server) answers(addr string, request []byte, want int) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	last := errors.New("no attempt")
	for ctx.Err() == nil {
		status, body, err := ask(addr, request)
		if err == nil && status == want {
			return body, nil
		}
		if last = err; err == nil {
			last = fmt.Errorf("status = %d, want %d: %.300s", status, want, body)
		}
		select {
		case <-s.ended:
			return nil, fmt.Errorf("%s ended: %s", s.name, s.lastWords())
		case <-time.After(time.Millisecond):
		}
	}
	return nil, fmt.Errorf("%s: %w", s.name, last)
}

// ask sends one request on a connection of its own.
func ask(addr string, request []byte) (status int, body []byte, err error) {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return 0, nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return 0, nil, err
	}
	if _, err := conn.Write(request); err != nil {
		return 0, nil, err
	}
	got, err := readAnswer(conn)
	return got.status, got.body, err
}

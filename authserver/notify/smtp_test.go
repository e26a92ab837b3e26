package notify_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/notify"
)

// server is a small SMTP server.
type server struct {
	t           *testing.T
	listener    net.Listener
	certificate *tls.Config // server side
	roots       *tls.Config // client side
	implicit    bool
	noSTARTTLS  bool
	auth        string // mechanisms
	refuse      string // answer to RCPT TO
	silentAfter string // the verb that is never answered
	mu          sync.Mutex
	commands    []string
	message     string
	encrypted   bool // when the message came
	connections sync.WaitGroup
}

func newServer(t *testing.T, change func(s *server)) *server {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	s := &server{
		t: t, certificate: &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}},
		roots: &tls.Config{RootCAs: roots},
	}
	if change != nil {
		change(s)
	}
	if s.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	go s.serve()
	t.Cleanup(func() {
		_ = s.listener.Close()
		s.connections.Wait()
	})
	return s
}

func (s *server) serve() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.connections.Go(func() {
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
			if s.implicit {
				conn = tls.Server(conn, s.certificate)
			}
			s.talk(conn)
		})
	}
}

func (s *server) talk(conn net.Conn) {
	r := bufio.NewReader(conn)
	say := func(lines ...string) { fmt.Fprint(conn, strings.Join(lines, "\r\n")+"\r\n") }
	say("220 mail ESMTP")
	secure := s.implicit
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		verb := strings.ToUpper(strings.SplitN(line, " ", 2)[0])
		s.mu.Lock()
		s.commands = append(s.commands, line)
		s.mu.Unlock()
		if verb == s.silentAfter {
			_, _ = r.ReadString('\n') // until the client hangs up
			return
		}
		switch verb {
		case "EHLO":
			lines := []string{"250-mail", "250-ENHANCEDSTATUSCODES", "250-8BITMIME"}
			if !secure && !s.noSTARTTLS {
				lines = append(lines, "250-STARTTLS")
			}
			if s.auth != "" {
				lines = append(lines, "250-AUTH "+s.auth)
			}
			say(append(lines, "250 SIZE 1000000")...)
		case "STARTTLS":
			say("220 go ahead")
			conn = tls.Server(conn, s.certificate)
			r, secure = bufio.NewReader(conn), true
		case "AUTH":
			say("235 2.7.0 welcome")
		case "RCPT":
			if s.refuse != "" {
				say(s.refuse)
			} else {
				say("250 2.1.5 ok")
			}
		case "DATA":
			say("354 go on")
			var b strings.Builder
			for {
				line, err := r.ReadString('\n')
				if err != nil {
					return
				}
				if line == ".\r\n" {
					break
				}
				b.WriteString(line)
			}
			s.mu.Lock()
			s.message, s.encrypted = b.String(), secure
			s.mu.Unlock()
			say("250 2.0.0 queued")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 2.0.0 ok")
		}
	}
}

// got is what has arrived.
func (s *server) got() (message string, encrypted bool, commands string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.message, s.encrypted, strings.Join(s.commands, "\n")
}

func (s *server) client() *notify.SMTP {
	_, port, _ := net.SplitHostPort(s.listener.Addr().String())
	n, _ := strconv.Atoi(port)
	return &notify.SMTP{Host: "localhost", Port: n, From: "no-reply@auth.example.com", TLS: s.roots, Timeout: 10 * time.Second}
}

func TestSMTP(t *testing.T) {
	tests := []struct {
		name      string
		server    func(s *server)
		client    func(c *notify.SMTP)
		ok        bool
		encrypted bool
	}{
		{"STARTTLS", nil, nil, true, true},
		{"STARTTLS not offered", func(s *server) { s.noSTARTTLS = true }, nil, false, false},
		{"STARTTLS, certificate of nobody we know", nil, func(c *notify.SMTP) { c.TLS = nil }, false, false},
		{"STARTTLS, certificate of another host", nil, func(c *notify.SMTP) { c.Host = "127.0.0.1" }, false, false},
		{"implicit TLS", func(s *server) { s.implicit = true }, func(c *notify.SMTP) { c.Security = notify.ImplicitTLS }, true, true},
		{"implicit TLS, certificate of nobody we know", func(s *server) { s.implicit = true },
			func(c *notify.SMTP) { c.Security, c.TLS = notify.ImplicitTLS, nil }, false, false},
		{"implicit TLS, plain server", nil, func(c *notify.SMTP) { c.Security = notify.ImplicitTLS; c.Timeout = time.Second }, false, false},
		{"none", func(s *server) { s.noSTARTTLS = true }, func(c *notify.SMTP) { c.Security = notify.InsecureNone }, true, false},
		{"password over STARTTLS", func(s *server) { s.auth = "PLAIN LOGIN" }, withPassword, true, true},
		{"password over implicit TLS", func(s *server) { s.auth = "PLAIN"; s.implicit = true },
			func(c *notify.SMTP) { withPassword(c); c.Security = notify.ImplicitTLS }, true, true},
		{"password, not over an open line", func(s *server) { s.auth = "PLAIN LOGIN" },
			func(c *notify.SMTP) { withPassword(c); c.Security = notify.InsecureNone }, false, false},
		{"password, server takes none", nil, withPassword, false, false},
		{"recipient refused", func(s *server) { s.refuse = "550 5.1.1 no such user: alice@example.com" }, nil, false, false},
		{"recipient put off", func(s *server) { s.refuse = "451 4.3.0 later, alice@example.com" }, nil, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newServer(t, tt.server)
			c := s.client()
			if tt.client != nil {
				tt.client(c)
			}
			if err := c.Check(); err != nil {
				t.Fatalf("Check: %v", err)
			}
			err := c.Send(t.Context(), message(nil))
			text, encrypted, commands := s.got()
			if (err == nil) != tt.ok || (text != "") != tt.ok {
				t.Fatalf("error = %v, %d bytes arrived, want success: %v", err, len(text), tt.ok)
			}
			if err != nil {
				for _, secret := range []string{"alice", "ABCD2345", "mail-password", base64.StdEncoding.EncodeToString([]byte("mail-password"))} {
					if strings.Contains(err.Error(), secret) {
						t.Errorf("error = %v, want nothing of %s in it", err, secret)
					}
				}
				if strings.Contains(commands, "AUTH") || strings.Contains(commands, "mail-password") {
					t.Errorf("commands:\n%s\nwant no password sent", commands)
				}
				return
			}
			if encrypted != tt.encrypted {
				t.Errorf("encrypted = %v, want %v", encrypted, tt.encrypted)
			}
			for _, want := range []string{
				"To: <alice@example.com>", "Subject: Demo: your recovery code", "From: \"Demo\" <no-reply@auth.example.com>",
				"Auto-Submitted: auto-generated", "    ABCD2345",
			} {
				if !strings.Contains(text, want+"\r\n") {
					t.Errorf("no line %q in\n%s", want, text)
				}
			}
			if c.Username != "" && !strings.Contains(commands, "AUTH PLAIN") {
				t.Errorf("commands:\n%s\nwant authentication", commands)
			}
		})
	}
}

func withPassword(c *notify.SMTP) { c.Username, c.Password = "gatehouse", secret.Of("mail-password") }

func TestSMTPStatusIsInTheError(t *testing.T) {
	s := newServer(t, func(s *server) { s.refuse = "550 5.1.1 no such user" })
	if err := s.client().Send(t.Context(), message(nil)); err == nil || !strings.Contains(err.Error(), "status 550 5.1.1") {
		t.Errorf("error = %v, want the status in it", err)
	}
}

// A server that stops answering is hung up on when the context ends, whatever it was doing.
func TestSMTPHonoursContext(t *testing.T) {
	for _, verb := range []string{"EHLO", "STARTTLS", "MAIL", "RCPT", "DATA"} {
		t.Run(verb, func(t *testing.T) {
			s := newServer(t, func(s *server) { s.silentAfter = verb })
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() {
				for !strings.Contains(func() string { _, _, c := s.got(); return c }(), verb) {
					time.Sleep(time.Millisecond)
				}
				cancel()
			}()
			c := s.client()
			c.Timeout = time.Minute // the server's own limit is shorter
			start := time.Now()
			if err := c.Send(ctx, message(nil)); !errors.Is(err, context.Canceled) {
				t.Errorf("error = %v after %v, want the context's", err, time.Since(start))
			}
		})
	}
	t.Run("its own timeout", func(t *testing.T) {
		s := newServer(t, func(s *server) { s.silentAfter = "RCPT" })
		c := s.client()
		c.Timeout = 200 * time.Millisecond
		if err := c.Send(t.Context(), message(nil)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error = %v, want the deadline's", err)
		}
	})
	t.Run("ended before", func(t *testing.T) {
		s := newServer(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.client().Send(ctx, message(nil)); !errors.Is(err, context.Canceled) {
			t.Errorf("error = %v, want the context's", err)
		}
	})
}

func TestSMTPAtOnce(t *testing.T) {
	s := newServer(t, nil)
	c := s.client()
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if err := c.Send(context.Background(), message(nil)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestSMTPCheck(t *testing.T) {
	tests := []struct {
		name   string
		change func(c *notify.SMTP)
		ok     bool
	}{
		{"host and sender", func(*notify.SMTP) {}, true},
		{"sender with a name", func(c *notify.SMTP) { c.From = "Acme <no-reply@example.com>" }, true},
		{"no host", func(c *notify.SMTP) { c.Host = "" }, false},
		{"no sender", func(c *notify.SMTP) { c.From = "" }, false},
		{"sender with a header", func(c *notify.SMTP) { c.From = "a@example.com\r\nBcc: b@example.com" }, false},
		{"port too high", func(c *notify.SMTP) { c.Port = 65536 }, false},
		{"port below zero", func(c *notify.SMTP) { c.Port = -1 }, false},
		{"unknown security", func(c *notify.SMTP) { c.Security = "ssl" }, false},
		{"username alone", func(c *notify.SMTP) { c.Username = "u" }, false},
		{"password alone", func(c *notify.SMTP) { c.Password = secret.Of("p") }, false},
		{"both", func(c *notify.SMTP) { c.Username, c.Password = "u", secret.Of("p") }, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := &notify.SMTP{Host: "mail.example.com", From: "no-reply@example.com"}
			tt.change(c)
			if err := c.Check(); (err == nil) != tt.ok {
				t.Errorf("error = %v, want one: %v", err, !tt.ok)
			}
		})
	}
}

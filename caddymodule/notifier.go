package caddymodule

import (
	"errors"
	"net"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-gatehouse/gatehouse/authserver"
)

// Notifier says how codes reach people: exactly one of Outbox and SMTP.
type Notifier struct {
	// A directory in which every message becomes a file: for development.
	Outbox string `json:"outbox,omitempty"`
	// A mail server.
	SMTP *SMTP `json:"smtp,omitempty"`
}

// SMTP is a mail server that takes messages to people (RFC 5321).
type SMTP struct {
	// Host and port.
	Address string `json:"address"`
	// Sender, such as "Example <no-reply@example.com>".
	From string `json:"from"`
	// Credentials; none without a user. The password may be a placeholder.
	User     string `json:"user,omitempty"`
	Password string `json:"password,omitempty"`
	// starttls (default, required), tls (from the first byte) or insecure_none, which is for a
	// loopback address only.
	Security string `json:"security,omitempty"`
	// For one message. Default: 10s.
	Timeout caddy.Duration `json:"timeout,omitempty"`
}

func (a *App) parseNotifier(d *caddyfile.Dispenser) func() error {
	return func() error {
		var kind, target string
		if !d.Args(&kind, &target) || target == "" {
			return d.Err("notifier needs 'outbox' and a directory, or 'smtp' and an address")
		}
		a.Notifier = new(Notifier)
		switch kind {
		case "outbox":
			a.Notifier.Outbox = target
			return nil
		case "smtp":
			a.Notifier.SMTP = &SMTP{Address: target}
			return a.Notifier.SMTP.parse(d)
		}
		return d.Errf("notifier: '%s' is neither 'outbox' nor 'smtp'", kind)
	}
}

func (s *SMTP) parse(d *caddyfile.Dispenser) error {
	if _, _, err := net.SplitHostPort(s.Address); err != nil {
		return d.Errf("notifier smtp: '%s' is not a host and a port, such as mail.example.com:587", s.Address)
	}
	return eachSubdirective(d, "notifier smtp", map[string]option{
		"from": once(oneString(d, &s.From)),
		"auth": once(func() error {
			if !d.Args(&s.User, &s.Password) {
				return d.Err("notifier smtp: auth needs a user and a password")
			}
			return nil
		}),
		"security": once(oneString(d, &s.Security)),
		"timeout":  once(duration(d, func(v caddy.Duration) { s.Timeout = v })),
	})
}

// resolve replaces placeholders. A nil n is none.
func (n *Notifier) resolve() (*authserver.Notifier, error) {
	if n == nil {
		return nil, nil
	}
	e := newExpander()
	out := &authserver.Notifier{Outbox: n.Outbox}
	if err := e.one("notifier outbox", &out.Outbox); err != nil {
		return nil, err
	}
	if s := n.SMTP; s != nil {
		out.SMTP = &authserver.SMTP{
			Address: s.Address, From: s.From, Username: s.User, Password: s.Password, Security: s.Security, Timeout: time.Duration(s.Timeout),
		}
		err := errors.Join(e.one("notifier smtp", &out.SMTP.Address), e.one("notifier smtp: from", &out.SMTP.From),
			e.one("notifier smtp: auth", &out.SMTP.Username), e.one("notifier smtp: auth", &out.SMTP.Password))
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

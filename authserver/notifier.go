package authserver

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/notify"
)

// Notifier says how codes reach people: by exactly one of Outbox and SMTP.
type Notifier struct {
	// Outbox is a directory in which each message becomes a file: for development.
	Outbox string
	SMTP   *SMTP
}

// SMTP is a mail server.
type SMTP struct {
	Address string // host:port
	From    string // an address, with or without a display name
	// Username and Password authenticate; none without them.
	Username, Password string
	// Security is "starttls" (default; required), "tls", or "insecure_none", which sends
	// codes in the clear and is for loopback hosts only.
	Security string
	Timeout  time.Duration // of one delivery; default 10 s
}

// build makes the notifier; nil for none. Nothing is contacted.
func (n *Notifier) build(now func() time.Time) (notify.Notifier, error) {
	switch {
	case n == nil:
		return nil, nil
	case (n.Outbox == "") == (n.SMTP == nil):
		return nil, errors.New("notifier: exactly one of outbox and smtp is needed")
	case n.Outbox != "":
		return &notify.Outbox{Dir: n.Outbox, Now: now}, nil
	}
	s := n.SMTP
	host, text, err := net.SplitHostPort(s.Address)
	if err != nil {
		return nil, fmt.Errorf("notifier smtp: address %q is not a host and a port", s.Address)
	}
	port, err := strconv.Atoi(text)
	if err != nil || port < 1 {
		return nil, fmt.Errorf("notifier smtp: address %q has no port number", s.Address)
	}
	out := &notify.SMTP{
		Host: host, Port: port, From: s.From, Username: s.Username, Password: secret.Of(s.Password), Timeout: s.Timeout, Now: now,
	}
	switch s.Security {
	case "", "starttls":
	case "tls":
		out.Security = notify.ImplicitTLS
	case "insecure_none":
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return nil, fmt.Errorf("notifier smtp: security insecure_none is for loopback hosts, and %s is none", host)
		}
		out.Security = notify.InsecureNone
	default:
		return nil, fmt.Errorf("notifier smtp: security %q is none of starttls, tls, insecure_none", s.Security)
	}
	if err := out.Check(); err != nil {
		return nil, fmt.Errorf("notifier smtp: %w", err)
	}
	return out, nil
}

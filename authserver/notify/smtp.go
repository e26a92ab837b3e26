package notify

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"time"

	"github.com/wneessen/go-mail"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
)

// Security is how the connection to the mail server is protected.
type Security string

const (
	// STARTTLS is required: a server that does not offer it gets nothing (RFC 3207).
	STARTTLS Security = ""
	// ImplicitTLS speaks TLS from the first byte (RFC 8314 §3.3).
	ImplicitTLS Security = "tls"
	// InsecureNone sends codes in the clear. For a server on the same host.
	InsecureNone Security = "none"
)

// SMTP sends through a mail server. Safe for concurrent use: each message has a
// connection of its own.
type SMTP struct {
	Host string
	// Port. Default 587, or 465 with ImplicitTLS.
	Port     int
	Security Security
	// Username and Password authenticate, with the strongest method that the server
	// offers; over InsecureNone never with one that shows the password. Empty: no authentication.
	Username string
	Password secret.Value
	// From is the sender: an address, with or without a display name. Without one, the
	// environment's brand is the display name.
	From string
	// Hello is the name given to the server. Default: the host's.
	Hello string
	// Timeout bounds a whole delivery. Default 10 seconds.
	Timeout time.Duration
	// TLS is for servers with certificates of a private authority. Default: the system's roots, TLS 1.2.
	TLS *tls.Config
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

const smtpTimeout = 10 * time.Second

// Check says what is wrong with the configuration. It does not connect.
func (s *SMTP) Check() error {
	if s.Host == "" {
		return errors.New("the mail server's host is missing")
	}
	if s.Port < 0 || s.Port > 65535 {
		return fmt.Errorf("port %d is outside 1 to 65535", s.Port)
	}
	switch s.Security {
	case STARTTLS, ImplicitTLS, InsecureNone:
	default:
		return fmt.Errorf("security %q is none of starttls, tls, none", s.Security)
	}
	if _, err := netmail.ParseAddress(s.From); err != nil {
		return errors.New("from is not an e-mail address")
	}
	if (s.Username == "") != s.Password.IsZero() {
		return errors.New("username and password go together")
	}
	_, err := s.client(context.Background())
	return err
}

// client makes a connection's settings. Whatever the library waits for, the end of ctx ends it.
func (s *SMTP) client(ctx context.Context) (*mail.Client, error) {
	secured := s.TLS.Clone()
	if secured == nil {
		secured = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	secured.ServerName = cmp.Or(secured.ServerName, s.Host)
	port, policy := 587, mail.TLSMandatory
	switch s.Security {
	case ImplicitTLS:
		port, policy = 465, mail.TLSOpportunistic // the connection is TLS already; this makes the library look
	case InsecureNone:
		policy = mail.NoTLS
	}
	options := []mail.Option{
		mail.WithPort(cmp.Or(s.Port, port)), mail.WithTLSPolicy(policy), mail.WithTLSConfig(secured),
		// Later than ctx, which ends first and is then what is reported.
		mail.WithTimeout(2 * s.timeout()), mail.WithoutNoop(),
		mail.WithDialContextFunc(func(_ context.Context, network, address string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			context.AfterFunc(ctx, func() { _ = conn.Close() })
			if s.Security != ImplicitTLS {
				return conn, nil
			}
			inner := tls.Client(conn, secured)
			if err := inner.HandshakeContext(ctx); err != nil {
				return nil, errors.Join(err, conn.Close())
			}
			return inner, nil
		}),
	}
	if s.Hello != "" {
		options = append(options, mail.WithHELO(s.Hello))
	}
	if s.Username != "" {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover),
			mail.WithUsername(s.Username), mail.WithPassword(s.Password.Reveal()))
	}
	return mail.NewClient(s.Host, options...)
}

func (s *SMTP) timeout() time.Duration { return cmp.Or(s.Timeout, smtpTimeout) }

// Send delivers m to the mail server. Its errors say what failed and the server's status codes, but
// not the server's words, which often repeat the address.
func (s *SMTP) Send(ctx context.Context, m Message) error {
	now := time.Now
	if s.Now != nil {
		now = s.Now
	}
	msg, err := compose(m, s.From, now(), secret.NewID(), mail.EncodingQP)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout())
	defer cancel() // closes the connection, whatever happened
	client, err := s.client(ctx)
	if err != nil {
		return fmt.Errorf("notify: SMTP: %w", err)
	}
	conn, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return fmt.Errorf("notify: SMTP: connect: %w", cmp.Or(ctx.Err(), err))
	}
	err = client.SendWithSMTPClient(conn, msg)
	if err == nil {
		_ = client.CloseWithSMTPClient(conn) // the server has accepted the message
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("notify: SMTP: send: %w", ctx.Err())
	}
	if refused, ok := errors.AsType[*mail.SendError](err); ok {
		return fmt.Errorf("notify: SMTP: %v (status %d %s)", refused.Reason, refused.ErrorCode(), refused.EnhancedStatusCode())
	}
	return errors.New("notify: SMTP: the message could not be sent")
}

package notify

import (
	"errors"
	"fmt"
	netmail "net/mail"
	"strings"
	"time"

	"github.com/wneessen/go-mail"
)

// CheckAddress says whether address is one plain e-mail address of the kind that
// messages are sent to: ASCII, no quoted local part, no display name, no
// address literal, at most 254 bytes (RFC 5321 §4.5.3.1, erratum 1690). It does
// not say whether anybody reads what is sent there.
func CheckAddress(address string) error {
	bad := errors.New("not an e-mail address")
	local, domain, _ := strings.Cut(address, "@")
	if len(address) > 254 || len(local) > 64 || !hostName(domain) {
		return bad
	}
	for i := range len(address) {
		// What a quoted local part may have, and header fields and log lines should not.
		if c := address[i]; c <= ' ' || c > '~' || strings.IndexByte(`"(),:;<>[\]`, c) >= 0 {
			return bad
		}
	}
	parsed, err := netmail.ParseAddress(address)
	if err != nil || parsed.Name != "" || parsed.Address != address {
		return bad
	}
	return nil
}

// hostName reports whether s is a host name (RFC 1123 §2.1).
func hostName(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			switch c := label[i]; {
			case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-':
			default:
				return false
			}
		}
	}
	return true
}

// compose makes the e-mail of m. from is an address with or without a display
// name; id is unique.
func compose(m Message, from string, now time.Time, id string, encoding mail.Encoding) (*mail.Msg, error) {
	if err := CheckAddress(m.To); err != nil {
		return nil, fmt.Errorf("notify: recipient: %w", err)
	}
	sender, err := netmail.ParseAddress(from)
	if err != nil {
		return nil, errors.New("notify: sender: not an e-mail address")
	}
	text, err := m.Render()
	if err != nil {
		return nil, err
	}
	if sender.Name == "" {
		sender.Name = oneLine(m.Brand, maxBrand)
	}
	msg := mail.NewMsg(mail.WithEncoding(encoding), mail.WithCharset(mail.CharsetUTF8))
	msg.FromMailAddress(sender)
	msg.ToMailAddress(&netmail.Address{Address: m.To})
	msg.Subject(text.Subject)
	msg.SetDateWithValue(now)
	_, domain, _ := strings.Cut(sender.Address, "@")
	msg.SetMessageIDWithValue(id + "@" + domain)
	// Nobody's out-of-office note should answer (RFC 3834 §5).
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetGenHeader("Content-Language", text.Language)
	msg.SetUserAgent("Gatehouse")
	body := text.Body
	if encoding == mail.NoEncoding { // the encoders end lines as RFC 5322 §2.1 wants; nothing else does
		body = strings.ReplaceAll(body, "\n", "\r\n")
	}
	msg.SetBodyString(mail.TypeTextPlain, body)
	return msg, nil
}

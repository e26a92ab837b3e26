package mtls

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

// Subject is whom a certificate must name (RFC 8705 §2.1.2): exactly one field is set.
type Subject struct {
	DN    string // RFC 4514
	DNS   string
	URI   string
	IP    string
	Email string
}

// maxSubject bounds a name in bytes.
const maxSubject = 1024

// Check refuses a Subject that can match nothing, or has more or less than one field.
func (s Subject) Check() error {
	set := 0
	for _, f := range []string{s.DN, s.DNS, s.URI, s.IP, s.Email} {
		if f != "" {
			set++
		}
		if len(f) > maxSubject {
			return fmt.Errorf("the name of a certificate has at most %d bytes", maxSubject)
		}
	}
	if set != 1 {
		return errors.New("exactly one name of the certificate is needed: a distinguished name, DNS name, URI, IP address or e-mail address")
	}
	switch {
	case s.DN != "":
		_, err := jose.ParseDN(s.DN)
		return err
	case s.DNS != "" && !isDNS(s.DNS):
		return errors.New("the DNS name of a certificate is a host name, without a port")
	case s.URI != "":
		if u, err := url.Parse(s.URI); err != nil || !u.IsAbs() || !printable(s.URI) {
			return errors.New("the URI of a certificate is an absolute one")
		}
	case s.IP != "":
		if a, err := netip.ParseAddr(s.IP); err != nil || a.Zone() != "" {
			return errors.New("the IP address of a certificate is one of IPv4 or IPv6")
		}
	case s.Email != "":
		if at := strings.LastIndexByte(s.Email, '@'); at <= 0 || !isDNS(s.Email[at+1:]) || !printable(s.Email) {
			return errors.New("the e-mail address of a certificate is a mailbox with a domain")
		}
	}
	return nil
}

// isDNS reports whether s may be a dNSName; a wildcard is one, and is compared as it stands.
func isDNS(s string) bool {
	s = strings.TrimPrefix(s, "*.")
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || strings.Trim(strings.ToLower(label), "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c >= 0x7f })
}

// The kinds of names in a certificate (RFC 5280 §4.2.1.6).
const (
	sanEmail = 1
	sanDNS   = 2
	sanURI   = 6
	sanIP    = 7
)

// Matches reports whether the certificate names s. An empty Subject matches nothing. Names are compared as they stand: a wildcard is
// the name of a certificate, not a pattern. Case makes no difference where it makes none in the DNS.
func (s Subject) Matches(c *x509.Certificate) bool {
	if c == nil || s.Check() != nil {
		return false
	}
	switch {
	case s.DN != "":
		want, err := jose.ParseDN(s.DN)
		return err == nil && sameDN(want, c.RawSubject)
	case s.DNS != "":
		return named(c, sanDNS, func(b []byte) bool { return strings.EqualFold(string(b), s.DNS) })
	case s.URI != "":
		return named(c, sanURI, func(b []byte) bool { return string(b) == s.URI })
	case s.IP != "":
		want, err := netip.ParseAddr(s.IP)
		return err == nil && named(c, sanIP, func(b []byte) bool { return bytes.Equal(b, want.Unmap().AsSlice()) })
	case s.Email != "":
		return named(c, sanEmail, func(b []byte) bool { return sameMailbox(string(b), s.Email) })
	}
	return false
}

// sameMailbox compares the domain without regard to case, and the rest exactly (RFC 5280 §7.5).
func sameMailbox(a, b string) bool {
	i, j := strings.LastIndexByte(a, '@'), strings.LastIndexByte(b, '@')
	return i > 0 && j > 0 && a[:i] == b[:j] && strings.EqualFold(a[i:], b[j:])
}

var oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}

// named looks through the alternative names of one kind, as they were written: crypto/x509 gives URIs parsed.
func named(c *x509.Certificate, kind int, is func([]byte) bool) bool {
	for _, e := range c.Extensions {
		if !e.Id.Equal(oidSubjectAltName) {
			continue
		}
		var names []asn1.RawValue
		if rest, err := asn1.Unmarshal(e.Value, &names); err != nil || len(rest) > 0 {
			return false
		}
		for _, n := range names {
			if n.Class == asn1.ClassContextSpecific && n.Tag == kind && is(n.Bytes) {
				return true
			}
		}
	}
	return false
}

// sameDN compares two distinguished names (DER) part by part: types, and values as text, whichever string type they are written in.
func sameDN(a, b []byte) bool {
	var x, y pkix.RDNSequence
	if rest, err := asn1.Unmarshal(a, &x); err != nil || len(rest) > 0 {
		return false
	}
	if rest, err := asn1.Unmarshal(b, &y); err != nil || len(rest) > 0 || len(x) != len(y) || len(x) == 0 {
		return false
	}
	for i := range x {
		if !sameRDN(x[i], y[i]) {
			return false
		}
	}
	return true
}

// sameRDN compares two sets of a few attributes.
func sameRDN(a, b pkix.RelativeDistinguishedNameSET) bool {
	if len(a) != len(b) {
		return false
	}
	taken := make([]bool, len(b))
	for _, x := range a {
		found := false
		for j, y := range b {
			s, ok := x.Value.(string)
			t, same := y.Value.(string)
			if !taken[j] && ok && same && s == t && x.Type.Equal(y.Type) {
				taken[j], found = true, true
				break
			}
		}
		if !found {
			return false
		}
	}
	return true
}

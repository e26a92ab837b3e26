package mtls_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/mtls"
)

// TestSubject: names are compared as they stand in the certificate, each of its own kind (RFC 8705 §2.1.2).
func TestSubject(t *testing.T) {
	uri := func(s string) *url.URL {
		u, err := url.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	template := client("")
	template.Subject = pkix.Name{CommonName: "Shop, No. 1", Organization: []string{"Example"}, OrganizationalUnit: []string{"Web"}, Country: []string{"GB"}}
	template.DNSNames = []string{"Shop.example.com", "*.wild.example.com"}
	template.URIs = []*url.URL{uri("spiffe://example.com/shop"), uri("HTTPS://Example.com/A%2fb")}
	template.IPAddresses = []net.IP{net.ParseIP("192.0.2.7"), net.ParseIP("2001:db8::7")}
	template.EmailAddresses = []string{"Shop@Example.com"}
	c := root(t, "root").issue(t, template).certificate

	tests := []struct {
		name    string
		subject mtls.Subject
		want    bool
	}{
		{"DN", mtls.Subject{DN: `CN=Shop\, No. 1,OU=Web,O=Example,C=GB`}, true},
		{"DN with spaces and names in lower case", mtls.Subject{DN: `cn=Shop\, No. 1, ou=Web, o=Example, c=GB`}, true},
		{"DN in another order", mtls.Subject{DN: `C=GB,O=Example,OU=Web,CN=Shop\, No. 1`}, false},
		{"DN, a part less", mtls.Subject{DN: `CN=Shop\, No. 1,O=Example,C=GB`}, false},
		{"DN, the CN alone", mtls.Subject{DN: `CN=Shop\, No. 1`}, false},
		{"DN, values in another case", mtls.Subject{DN: `CN=shop\, no. 1,OU=Web,O=Example,C=GB`}, false},
		{"DN, another type", mtls.Subject{DN: `CN=Shop\, No. 1,OU=Web,L=Example,C=GB`}, false},
		{"DN, parts joined", mtls.Subject{DN: `CN=Shop\, No. 1+OU=Web,O=Example,C=GB`}, false},
		{"DNS", mtls.Subject{DNS: "shop.example.com"}, true},
		{"DNS of the wildcard's name", mtls.Subject{DNS: "*.wild.example.com"}, true},
		{"DNS that a wildcard would cover", mtls.Subject{DNS: "a.wild.example.com"}, false},
		{"DNS of the domain above", mtls.Subject{DNS: "example.com"}, false},
		{"DNS of the domain below", mtls.Subject{DNS: "x.shop.example.com"}, false},
		{"DNS that is the CN", mtls.Subject{DNS: "shop"}, false},
		{"URI", mtls.Subject{URI: "spiffe://example.com/shop"}, true},
		{"URI in another case", mtls.Subject{URI: "spiffe://Example.com/shop"}, false},
		{"URI with a slash more", mtls.Subject{URI: "spiffe://example.com/shop/"}, false},
		{"IPv4", mtls.Subject{IP: "192.0.2.7"}, true},
		{"IPv4 as IPv6", mtls.Subject{IP: "::ffff:192.0.2.7"}, true},
		{"other IPv4", mtls.Subject{IP: "192.0.2.8"}, false},
		{"IPv6 in another spelling", mtls.Subject{IP: "2001:DB8:0::7"}, true},
		{"e-mail", mtls.Subject{Email: "Shop@example.com"}, true},
		{"e-mail, mailbox in another case", mtls.Subject{Email: "shop@example.com"}, false},
		{"e-mail of the kind of DNS", mtls.Subject{Email: "shop.example.com"}, false},
		{"DNS as a URI", mtls.Subject{URI: "shop.example.com"}, false},
		{"nothing", mtls.Subject{}, false},
		{"two", mtls.Subject{DNS: "shop.example.com", IP: "192.0.2.7"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.subject.Matches(c); got != tt.want {
				t.Errorf("Matches = %v, want %v", got, tt.want)
			}
		})
	}
	if (mtls.Subject{DNS: "shop.example.com"}).Matches(nil) {
		t.Error("no certificate matches")
	}
}

// TestSubjectStringTypes: one text is one name in every string type of ASN.1; what is no text equals nothing.
func TestSubjectStringTypes(t *testing.T) {
	for tag, want := range map[int]bool{asn1.TagPrintableString: true, asn1.TagUTF8String: true, asn1.TagIA5String: true, asn1.TagOctetString: false, asn1.TagEnum: false} {
		raw, err := asn1.Marshal(pkix.RDNSequence{{{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: asn1.RawValue{Tag: tag, Bytes: []byte("Shop")}}}})
		if err != nil {
			t.Fatal(err)
		}
		if got := (mtls.Subject{DN: "CN=Shop"}).Matches(&x509.Certificate{RawSubject: raw}); got != want {
			t.Errorf("tag %d: Matches = %v, want %v", tag, got, want)
		}
	}
	for name, raw := range map[string][]byte{"no DER": []byte("x"), "nothing": nil, "an empty name": {0x30, 0}} {
		if (mtls.Subject{DN: "CN=Shop"}).Matches(&x509.Certificate{RawSubject: raw}) {
			t.Errorf("%s matches", name)
		}
	}
}

// TestSubjectSets: the attributes of one part have no order, and each counts once.
func TestSubjectSets(t *testing.T) {
	cn, ou := asn1.ObjectIdentifier{2, 5, 4, 3}, asn1.ObjectIdentifier{2, 5, 4, 11}
	name := func(list ...pkix.AttributeTypeAndValue) *x509.Certificate {
		raw, err := asn1.Marshal(pkix.RDNSequence{list})
		if err != nil {
			t.Fatal(err)
		}
		return &x509.Certificate{RawSubject: raw}
	}
	both := name(pkix.AttributeTypeAndValue{Type: cn, Value: "a"}, pkix.AttributeTypeAndValue{Type: ou, Value: "b"})
	for dn, want := range map[string]bool{"CN=a+OU=b": true, "OU=b+CN=a": true, "CN=a+OU=a": false, "CN=a+CN=a": false, "CN=a": false} {
		if got := (mtls.Subject{DN: dn}).Matches(both); got != want {
			t.Errorf("%s: Matches = %v, want %v", dn, got, want)
		}
	}
	twice := name(pkix.AttributeTypeAndValue{Type: cn, Value: "a"}, pkix.AttributeTypeAndValue{Type: cn, Value: "b"})
	if (mtls.Subject{DN: "CN=a+CN=a"}).Matches(twice) {
		t.Error("CN=a+CN=a matches CN=a+CN=b")
	}
}

func TestSubjectCheck(t *testing.T) {
	for _, tt := range []struct {
		name    string
		subject mtls.Subject
		good    bool
	}{
		{"DN", mtls.Subject{DN: "CN=a"}, true},
		{"DN that is none", mtls.Subject{DN: "a"}, false},
		{"DNS", mtls.Subject{DNS: "a.example"}, true},
		{"DNS with a wildcard", mtls.Subject{DNS: "*.a.example"}, true},
		{"DNS with a wildcard inside", mtls.Subject{DNS: "a.*.example"}, false},
		{"DNS with a port", mtls.Subject{DNS: "a.example:443"}, false},
		{"DNS with a dot too many", mtls.Subject{DNS: "a..example"}, false},
		{"DNS too long", mtls.Subject{DNS: strings.Repeat("a.", 127) + "a"}, false},
		{"URI", mtls.Subject{URI: "urn:x"}, true},
		{"relative URI", mtls.Subject{URI: "/x"}, false},
		{"URI with a space", mtls.Subject{URI: "urn:a b"}, false},
		{"IP", mtls.Subject{IP: "::1"}, true},
		{"IP with a zone", mtls.Subject{IP: "fe80::1%eth0"}, false},
		{"IP that is a network", mtls.Subject{IP: "10.0.0.0/8"}, false},
		{"e-mail", mtls.Subject{Email: "a@b.example"}, true},
		{"e-mail without a mailbox", mtls.Subject{Email: "@b.example"}, false},
		{"e-mail with a name", mtls.Subject{Email: "A <a@b.example>"}, false},
		{"too long", mtls.Subject{URI: "urn:" + strings.Repeat("x", 1024)}, false},
		{"none", mtls.Subject{}, false},
		{"two", mtls.Subject{DN: "CN=a", URI: "urn:x"}, false},
	} {
		if err := tt.subject.Check(); (err == nil) != tt.good {
			t.Errorf("%s: Check = %v, want good: %v", tt.name, err, tt.good)
		}
	}
}

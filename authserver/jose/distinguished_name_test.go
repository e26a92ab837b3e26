package jose_test

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

func TestParseDN(t *testing.T) {
	tests := []struct {
		name, text, want string // want as the standard library writes it; "" is refused
	}{
		{"common name", "CN=Shop", "CN=Shop"},
		{"several, the last one first in DER", "CN=Shop,O=Example,C=GB", "CN=Shop,O=Example,C=GB"},
		{"space around names", " cn = Shop , O=Example Ltd , C=GB ", "CN=Shop,O=Example Ltd,C=GB"},
		{"space in a value", "CN=My  Shop", "CN=My  Shop"},
		{"two in one", "CN=Shop+OU=Web,O=Example", "OU=Web+CN=Shop,O=Example"},
		{"escaped comma", `CN=Smith\, John`, `CN=Smith\, John`},
		{"escaped in hexadecimal (RFC 4514 §4)", `CN=Lu\C4\8Di\C4\87`, "CN=Lučić"},
		{"UTF-8", "CN=Lučić", "CN=Lučić"},
		{"escaped space at the end", `CN=Shop\ `, `CN=Shop\ `},
		{"equals sign in a value", "CN=a=b", "CN=a=b"},
		{"escaped backslash", `CN=a\\b`, `CN=a\\b`},
		{"escaped number sign", `CN=\#1`, `CN=\#1`},
		{"number sign inside", "CN=a#1", "CN=a#1"},
		{"an OID", "2.5.4.3=Shop", "CN=Shop"},
		{"an OID nobody named", "1.2.3.4=x", "1.2.3.4=#130178"},
		{"256 characters", "CN=" + strings.Repeat("a", 256), "CN=" + strings.Repeat("a", 256)},

		{"empty", "", ""},
		{"no type", "Shop", ""},
		{"empty value", "CN=", ""},
		{"blank value", "CN=  ", ""},
		{"empty part", "CN=Shop,,C=GB", ""},
		{"comma at the end", "CN=Shop,", ""},
		{"plus at the end", "CN=Shop+", ""},
		{"unknown type", "XX=Shop", ""},
		{"OID with a leading zero", "2.5.04.3=x", ""},
		{"OID that cannot be", "3.1=x", ""},
		{"OID of one number", "2=x", ""},
		{"OID too large", "2.5.4.99999999999=x", ""},
		{"hexadecimal value", "CN=#0403414243", ""},
		{"quotes", `CN="Shop"`, ""},
		{"semicolon", "CN=Shop;C=GB", ""},
		{"escape of a letter", `CN=\q`, ""},
		{"escape at the end", `CN=Shop\`, ""},
		{"half an escape", `CN=Shop\4`, ""},
		{"escapes that are not UTF-8", `CN=\ff`, ""},
		{"escaped NUL", `CN=a\00b`, ""},
		{"line break", "CN=a\nb", ""},
		{"not UTF-8", "CN=\xff", ""},
		{"country of three letters", "C=GBR", ""},
		{"country of digits", "C=12", ""},
		{"address beyond ASCII", "E=lučić@example.com", ""},
		{"257 characters", "CN=" + strings.Repeat("a", 257), ""},
		{"too long", strings.Repeat("CN=a,", 300) + "C=GB", ""},
		{"too many", strings.Repeat("CN=a,", 33) + "C=GB", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			der, err := jose.ParseDN(tt.text)
			if (err == nil) != (tt.want != "") {
				t.Fatalf("error = %v, want one: %v", err, tt.want == "")
			}
			if err != nil {
				return
			}
			if got := dnText(t, der); got != tt.want {
				t.Errorf("name = %q, want %q", got, tt.want)
			}
		})
	}
}

func dnText(t *testing.T, der []byte) string {
	t.Helper()
	var names pkix.RDNSequence
	if rest, err := asn1.Unmarshal(der, &names); err != nil || len(rest) > 0 {
		t.Fatalf("the DER cannot be read: %v, %d bytes left", err, len(rest))
	}
	return names.String()
}

// FuzzParseDN: nothing panics, and what is accepted is read by a certificate's reader, and again
// as it writes it.
func FuzzParseDN(f *testing.F) {
	for _, s := range []string{"CN=Shop, O=Example, C=GB", `CN=a\,b+OU=\#1`, "2.5.4.3=x", `CN=\C4\8D`, "E=a@b", `CN=x\ `} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		der, err := jose.ParseDN(text)
		if err != nil {
			return
		}
		written := dnText(t, der)
		if strings.Contains(written, "=#") {
			return // a type without a name is written in hexadecimal
		}
		again, err := jose.ParseDN(written)
		if len(written) > 1024 {
			return
		}
		if err != nil {
			t.Fatalf("%q is written as %q, which is refused: %v", text, written, err)
		}
		if got := dnText(t, again); got != written {
			t.Errorf("%q is written as %q and then as %q", text, written, got)
		}
	})
}

package mtls_test

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/mtls"
)

// TestParse: each format as its proxies write it, and nothing but that.
func TestParse(t *testing.T) {
	a, between := root(t, "root"), root(t, "between").certificate
	c := a.issue(t, client("client")).certificate
	der := base64.StdEncoding.EncodeToString(c.Raw)
	text, escaped := toPEM(c), url.PathEscape(toPEM(c))
	both := url.PathEscape(toPEM(c, between))
	other := base64.StdEncoding.EncodeToString(between.Raw)
	hash := digest(c)

	const no = -1 // refused
	tests := []struct {
		name   string
		format mtls.Format
		values []string
		want   int // certificates; 0: none was presented
	}{
		{"absent", mtls.ClientCert, nil, 0},
		{"empty", mtls.PEM, []string{""}, 0},
		{"twice", mtls.ClientCert, []string{":" + der + ":", ":" + der + ":"}, no},
		{"twice, one empty", mtls.PEM, []string{"", escaped}, no},
		{"unknown format", "x", []string{escaped}, no},
		{"no format", "", []string{escaped}, no},

		{"RFC 9440", mtls.ClientCert, []string{":" + der + ":"}, 1},
		{"RFC 9440 with space around", mtls.ClientCert, []string{" :" + der + ": "}, 1},
		{"RFC 9440 without colons", mtls.ClientCert, []string{der}, no},
		{"RFC 9440, the last colon missing", mtls.ClientCert, []string{":" + der}, no},
		{"RFC 9440, a list", mtls.ClientCert, []string{":" + der + ":, :" + other + ":"}, no},
		{"RFC 9440 with a parameter", mtls.ClientCert, []string{":" + der + ":;a"}, no},
		{"RFC 9440, nothing between", mtls.ClientCert, []string{"::"}, no},
		{"RFC 9440, one colon", mtls.ClientCert, []string{":"}, no},
		{"RFC 9440, not base64", mtls.ClientCert, []string{":*:"}, no},
		{"RFC 9440, base64url", mtls.ClientCert, []string{":" + base64.URLEncoding.EncodeToString(append(c.Raw, 0xff, 0xfe)) + ":"}, no},
		{"RFC 9440, PEM", mtls.ClientCert, []string{":" + escaped + ":"}, no},
		{"RFC 9440, more behind the certificate", mtls.ClientCert, []string{":" + base64.StdEncoding.EncodeToString(append(c.Raw, 0)) + ":"}, no},
		{"RFC 9440, a byte less", mtls.ClientCert, []string{":" + base64.StdEncoding.EncodeToString(c.Raw[:len(c.Raw)-1]) + ":"}, no},
		{"too long", mtls.ClientCert, []string{":" + strings.Repeat("A", 40<<10) + ":"}, no},

		{"PEM, escaped: nginx", mtls.PEM, []string{escaped}, 1},
		{"PEM, a query's escapes", mtls.PEM, []string{strings.ReplaceAll(url.QueryEscape(text), "+", "%20")}, 1},
		{"PEM, all escaped", mtls.PEM, []string{everyByte(text)}, 1},
		{"PEM, spaces for line ends", mtls.PEM, []string{strings.ReplaceAll(text, "\n", " ")}, 1},
		{"PEM, tabs for line ends", mtls.PEM, []string{strings.ReplaceAll(text, "\n", "\n\t")}, 1},
		{"PEM without its lines: Traefik", mtls.PEM, []string{der}, 1},
		{"PEM without its lines, a chain: Traefik", mtls.PEM, []string{der + "," + other}, 2},
		{"PEM, a chain", mtls.PEM, []string{both}, 2},
		{"PEM, a chain too long", mtls.PEM, []string{strings.Repeat(der+",", 8) + der}, no},
		{"PEM, a comma at the end", mtls.PEM, []string{der + ","}, no},
		{"PEM, nothing inside", mtls.PEM, []string{"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----"}, no},
		{"PEM, no end", mtls.PEM, []string{url.PathEscape(strings.TrimSuffix(text, "-----END CERTIFICATE-----\n"))}, no},
		{"PEM, a private key", mtls.PEM, []string{strings.ReplaceAll(text, "CERTIFICATE", "PRIVATE KEY")}, no},
		{"PEM, text before", mtls.PEM, []string{"x " + text}, no},
		{"PEM, text behind", mtls.PEM, []string{text + " x"}, no},
		{"PEM, a broken escape", mtls.PEM, []string{escaped + "%zz"}, no},
		{"nginx's (null)", mtls.PEM, []string{"(null)"}, no},
		{"space alone", mtls.PEM, []string{" "}, no},

		{"Envoy", mtls.Envoy, []string{`By=spiffe://a/b;Hash=` + hash + `;Subject="CN=\"x\",O=y;z";URI=spiffe://c;Cert="` + escaped + `"`}, 1},
		{"Envoy, the hash in upper case", mtls.Envoy, []string{"Hash=" + strings.ToUpper(hash) + `;Cert="` + escaped + `"`}, 1},
		{"Envoy, several names", mtls.Envoy, []string{"Hash=" + hash + `;Cert="` + escaped + `";URI=spiffe://c;URI=spiffe://d;DNS=a.example;DNS=b.example`}, 1},
		{"Envoy, the hash of another one", mtls.Envoy, []string{`Hash=468e;Cert="` + escaped + `"`}, no},
		{"Envoy, an empty hash", mtls.Envoy, []string{`Hash=;Cert="` + escaped + `"`}, no},
		{"Envoy, with a chain", mtls.Envoy, []string{`Cert="` + escaped + `";Chain="` + both + `"`}, 2},
		{"Envoy, with a chain without the leaf", mtls.Envoy, []string{`Cert="` + escaped + `";Chain="` + url.PathEscape(toPEM(between)) + `"`}, 2},
		{"Envoy, without quotes", mtls.Envoy, []string{"Cert=" + escaped}, 1},
		{"Envoy, keys in another case", mtls.Envoy, []string{`cert="` + escaped + `"`}, 1},
		{"Envoy, two elements", mtls.Envoy, []string{"Hash=" + hash + `;Cert="` + escaped + `",Hash=` + hash + `;Cert="` + escaped + `"`}, no},
		{"Envoy, the second element has none", mtls.Envoy, []string{`Cert="` + escaped + `",Hash=1`}, no},
		{"Envoy, a certificate inside another value", mtls.Envoy, []string{`Subject="CN=a;Cert=` + escaped + `"`}, no},
		{"Envoy, an element inside another value", mtls.Envoy, []string{`Subject="a,Cert=` + escaped + `"`}, no},
		{"Envoy, a quote that is escaped", mtls.Envoy, []string{`Subject="a\";Cert=` + escaped + `"`}, no},
		{"Envoy, two certificates", mtls.Envoy, []string{`Cert="` + escaped + `";Cert="` + escaped + `"`}, no},
		{"Envoy, two of them in one", mtls.Envoy, []string{`Cert="` + both + `"`}, no},
		{"Envoy, a bad chain", mtls.Envoy, []string{`Cert="` + escaped + `";Chain="x"`}, no},
		{"Envoy, no closing quote", mtls.Envoy, []string{`Cert="` + escaped}, no},
		{"Envoy, text behind the quote", mtls.Envoy, []string{`Cert="` + escaped + `"x;Hash=1`}, no},
		{"Envoy, a quote inside", mtls.Envoy, []string{`Hash=a"b;Cert="` + escaped + `"`}, no},
		{"Envoy, no key", mtls.Envoy, []string{`="` + escaped + `"`}, no},
		{"Envoy, an empty element at the end", mtls.Envoy, []string{`Cert="` + escaped + `",`}, no},
		{"Envoy, an empty certificate", mtls.Envoy, []string{`Cert=""`}, no},
		{"Envoy, the hash alone", mtls.Envoy, []string{`Hash=468ed33be74eee6556d90c0149c1309e9ba61d6425303443c0748a02dd8de688`}, no},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := mtls.Parse(tt.format, tt.values)
			switch {
			case tt.want == no:
				if err == nil || got != nil {
					t.Fatalf("Parse = %v, %v, want an error", got, err)
				}
				for _, v := range tt.values {
					if len(v) > 8 && strings.Contains(err.Error(), v[:8]) {
						t.Errorf("the error repeats the header: %v", err)
					}
				}
			case tt.want == 0:
				if err != nil || got != nil {
					t.Errorf("Parse = %v, %v, want nothing", got, err)
				}
			case err != nil || !got.Leaf.Equal(c) || 1+len(got.Intermediates) != tt.want:
				t.Errorf("Parse = %+v, %v, want the client's and %d more", got, err, tt.want-1)
			}
		})
	}
}

// TestAttack86EnvoyNames: Envoy writes the names of a client's certificate without quotes, and a certificate that somebody made may have any
// names. None of them makes it somebody else's.
func TestAttack86EnvoyNames(t *testing.T) {
	a := root(t, "root")
	victim, own := a.issue(t, client("victim")).certificate, root(t, "made").certificate
	cert := func(c *x509.Certificate) string { return `Cert="` + url.PathEscape(toPEM(c)) + `"` }
	envoy := "By=spiffe://a/b;Hash=" + digest(own) + ";" // always
	if got, err := mtls.Parse(mtls.Envoy, []string{envoy + cert(own) + `;Subject="CN=made";URI=spiffe://x`}); err != nil || !got.Leaf.Equal(own) {
		t.Fatalf("as it should be: %v, %v", got, err)
	}
	for name, header := range map[string]string{
		"an element":                     envoy + cert(own) + ";URI=x,Hash=" + digest(victim) + ";" + cert(victim),
		"an element without a hash":      envoy + cert(own) + ";URI=x," + cert(victim),
		"an element, name without value": envoy + cert(own) + ";DNS=," + cert(victim) + ";DNS=y",
		"a certificate":                  envoy + cert(own) + ";URI=x;" + cert(victim),
		"where Envoy does not write it":  envoy + "URI=x;" + cert(victim),
		"with its hash":                  envoy + "URI=x;Hash=" + digest(victim) + ";" + cert(victim),
		"with its hash, in another case": envoy + "URI=x;HASH=" + digest(victim) + ";" + cert(victim),
		"an element where it is not":     envoy + "URI=x,Hash=" + digest(victim) + ";" + cert(victim),
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := mtls.Parse(mtls.Envoy, []string{header}); err == nil {
				t.Errorf("believed: %s", got.Leaf.Subject)
			}
		})
	}
}

// digest is what Envoy's Hash is.
func digest(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

func everyByte(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, "%%%02x", s[i])
	}
	return b.String()
}

// FuzzParse: no header panics; what is accepted is a certificate.
func FuzzParse(f *testing.F) {
	c := root(f, "client").certificate
	f.Add(":" + base64.StdEncoding.EncodeToString(c.Raw) + ":")
	f.Add(url.PathEscape(toPEM(c)))
	f.Add(`By=a;Subject="x\"";Cert="` + url.PathEscape(toPEM(c)) + `";Chain="` + url.PathEscape(toPEM(c, c)) + `",Hash=1`)
	f.Fuzz(func(t *testing.T, header string) {
		for _, format := range mtls.Formats() {
			got, err := mtls.Parse(format, []string{header})
			if (got == nil) != (err != nil || header == "") || got != nil && len(mtls.Thumbprint(got.Leaf)) != 43 {
				t.Fatalf("%s: %v, %v", format, got, err)
			}
		}
	})
}

// FuzzSubject: no name panics, and one that is refused matches nothing.
func FuzzSubject(f *testing.F) {
	c := root(f, "client").certificate
	f.Add("CN=client")
	f.Fuzz(func(t *testing.T, name string) {
		for _, s := range []mtls.Subject{{DN: name}, {DNS: name}, {URI: name}, {IP: name}, {Email: name}} {
			if s.Matches(c) && s.Check() != nil {
				t.Fatalf("%+v is refused and matches", s)
			}
		}
	})
}

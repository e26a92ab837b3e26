package caddymodule_test

import (
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

// TestAttack86ConfigurationOfClientCertificates: what the authorization server needs to judge client certificates is refused at load where it
// is missing or cannot be read, in a message that names the option.
func TestAttack86ConfigurationOfClientCertificates(t *testing.T) {
	dir := t.TempDir()
	authority, notPEM, private := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "not.pem"), filepath.Join(dir, "key.pem")
	key, err := jose.GenerateSigningKey(jose.ES256, 0)
	if err != nil {
		t.Fatal(err)
	}
	der, err := key.Certificate(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{
		authority: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		notPEM:    []byte("nothing"),
		private:   pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")}),
	} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("CONF_CA", authority)
	const id = "5f0c9f3a-6c1e-4c55-9a3b-2d7f8e1b4a60"
	const jwks = "jwks `{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}`"
	application := func(lines ...string) string {
		return "application batch {\ntype service\n" + strings.Join(lines, "\n") + "\n}"
	}
	web := func(lines ...string) string {
		return "application web {\ntype web_app\nsecret a-long-secret\nredirect_uri https://app.example.com/cb\n" + strings.Join(lines, "\n") + "\n}"
	}
	const resources = "resource orders {\naudience https://orders.example.com\nscope orders:read\n}\nresource stock {\nscope stock:read\n}\n"
	api := func(lines ...string) string {
		return resources + application(append(lines, "secret a-long-secret")...)
	}
	tests := []struct{ name, environment, site, want string }{
		{"tls_client_auth", "client_ca_file " + authority + "\n" + application("auth_method tls_client_auth", "tls_subject dns batch.example.com"), "", ""},
		{"authorities named by a variable", "client_ca_file {env.CONF_CA}\n" + application("auth_method tls_client_auth", "tls_subject dn CN=batch"), "", ""},
		{"absent client_ca_file", "client_ca_file " + filepath.Join(dir, "absent.pem"), "", "client_ca_file"},
		{"client_ca_file without certificates", "client_ca_file " + notPEM, "", "client_ca_file"},
		{"client_ca_file with something else", "client_ca_file " + private, "", "client_ca_file"},
		{"client_ca_file is a folder", "client_ca_file " + dir, "", "client_ca_file"},
		{"client_ca_file from an unknown variable", "client_ca_file {env.CONF_NOTHING}", "", "client_ca_file"},
		{"tls_client_auth without authorities", application("auth_method tls_client_auth", "tls_subject dns batch.example.com"), "", "client_ca_file"},
		{"tls_client_auth without a subject", "client_ca_file " + authority + "\n" + application("auth_method tls_client_auth"), "", "tls_subject"},
		{"a subject that is no name", "client_ca_file " + authority + "\n" + application("auth_method tls_client_auth", "tls_subject dn batch"), "", "tls_subject"},
		{"a subject that nothing compares", application("secret a-long-secret", "tls_subject dns batch.example.com"), "", "tls_subject"},
		{"self_signed_tls_client_auth", application("auth_method self_signed_tls_client_auth", jwks), "", ""},
		{"self_signed_tls_client_auth without keys", application("auth_method self_signed_tls_client_auth"), "", "jwks"},

		{"mtls_url", "mtls_url https://mtls.example.com/" + id + "/as", "", ""},
		{"mtls_url of the same host", "mtls_url https://auth.example.com:8443/" + id + "/as", "", ""},
		{"mtls_url without TLS", "mtls_url http://localhost:8080/" + id + "/as", "", "mtls_url"},
		{"mtls_url that leads elsewhere", "mtls_url https://mtls.example.com/as", "", "mtls_url"},
		{"mtls_url of another environment", "mtls_url https://mtls.example.com/0f0c9f3a-6c1e-4c55-9a3b-2d7f8e1b4a60/as", "", "mtls_url"},
		{"case_59 mtls_url from the request", "mtls_url https://{http.request.host}/" + id + "/as", "", "mtls_url"},

		{"dpop_bound", web("dpop_bound"), "", ""},
		{"dpop_bound with ID tokens from the front", web("dpop_bound", "grant authorization_code implicit", "response_type code id_token"), "", ""},
		{"dpop_bound with unbound tokens", web("dpop_bound", "grant authorization_code implicit"), "", "dpop_bound"},
		{"certificate_bound with unbound tokens", web("certificate_bound", "grant implicit"), "", "certificate_bound"},

		{"exchange_bound", api("grant token_exchange", "exchange_bound orders"), "", ""},
		{"exchange_bound of two", api("grant token_exchange", "exchange_bound orders stock"), "", ""},
		{"exchange_bound of an unknown resource", api("grant token_exchange", "exchange_bound order"), "", "exchange_bound"},
		{"exchange_bound by the audience", api("grant token_exchange", "exchange_bound https://orders.example.com"), "", "exchange_bound"},
		{"exchange_bound of one twice", api("grant token_exchange", "exchange_bound orders", "exchange_bound orders"), "", "exchange_bound"},
		{"exchange_bound of none", api("grant token_exchange", "exchange_bound"), "", "exchange_bound"},
		{"exchange_bound without exchange", api("exchange_bound orders"), "", "exchange_bound"},
		{"exchange_bound of whoever", resources + "application open {\ntype native_app\ngrant token_exchange\nexchange_bound orders\n}", "", "exchange_bound"},

		{"certificates of the connection", "", "authorization_server {\nclient_certificate\n}", ""},
		{"certificates of a proxy", "", "authorization_server {\nclient_certificate {\nheader Client-Cert\n}\n}", ""},
		{"certificates in a header that means something else", "", "authorization_server {\nclient_certificate {\nheader Authorization\n}\n}", "header"},
		{"certificates required of all", "", "authorization_server {\nclient_certificate {\nrequired\n}\n}", "required"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			option := "gatehouse {\nstorage sqlite {\npath " + t.TempDir() + "/a.db\n}\nenvironment demo " + id +
				" {\nissuer https://auth.example.com/" + id + "/as\n" + tt.environment + "\n}\n}\n"
			checkRefused(t, validate("{\n"+globals+option+"}\n:8999 {\n"+tt.site+"\n}\n"), tt.want)
		})
	}
}

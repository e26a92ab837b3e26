package caddymodule_test

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// overTLS makes requests with a client certificate; nil for none.
func overTLS(t testing.TB, server, own *clientCertificate) *http.Client {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(server.leaf)
	config := &tls.Config{RootCAs: roots, ServerName: "localhost"}
	if own != nil {
		config.Certificates = []tls.Certificate{own.pair}
	}
	transport := &http.Transport{TLSClientConfig: config}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}
}

// TestAttack86CertificateJourney: a client reads the metadata, authenticates by its certificate where that is asked for, and
// gets a token that a gate takes with that certificate alone; a proxy that is trusted speaks for its client, and no other.
func TestAttack86CertificateJourney(t *testing.T) {
	dir := t.TempDir()
	plain, secure, proxied, untrusted := freePort(t), freePort(t), freePort(t), freePort(t)
	server, mine, other := newCertificate(t, "localhost"), newCertificate(t, "batch"), newCertificate(t, "batch")
	point, err := mine.leaf.PublicKey.(*ecdsa.PublicKey).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	base := fmt.Sprintf("http://localhost:%d/%s/as", plain, demoEnvironment)
	site := func(port int) string {
		return fmt.Sprintf("http://localhost:%d {\nauthorization_server {\nclient_certificate {\nheader Client-Cert\n}\n}\n}\n", port)
	}
	load(t, fmt.Sprintf(`servers :%d {
		trusted_proxies static 127.0.0.1/32 ::1/128
	}
	gatehouse {
		storage sqlite {
			path %s/gatehouse.db
		}
		environment demo %s {
			issuer %s
			mtls_url https://localhost:%d/%[3]s/as
			signing_algorithm ES256
			resource orders {
				audience https://orders.example.com
				scope orders:read
			}
			application batch {
				type service
				auth_method self_signed_tls_client_auth
				jwks `+"`"+`{"keys":[{"kty":"EC","crv":"P-256","x":"%[6]s","y":"%[7]s"}]}`+"`"+`
				certificate_bound
				allow orders:read
			}
		}
	}`, proxied, dir, demoEnvironment, base, secure, b64(point[1:33]), b64(point[33:])),
		fmt.Sprintf("http://localhost:%d {\nauthorization_server\n}\n", plain)+site(proxied)+site(untrusted)+fmt.Sprintf(`https://localhost:%d {
			tls %s %s {
				client_auth {
					mode request
				}
			}
			authorization_server
			bearer_auth /orders {
				issuer %s
				audience https://orders.example.com
				client_certificate {
					required
				}
			}
			respond "{http.auth.user.client_id}"
		}`, secure, server.pem, server.key, base))

	var metadata struct {
		Methods []string          `json:"token_endpoint_auth_methods_supported"`
		Bound   bool              `json:"tls_client_certificate_bound_access_tokens"`
		Aliases map[string]string `json:"mtls_endpoint_aliases"`
	}
	if err := json.Unmarshal([]byte(get(t, base+"/.well-known/openid-configuration", "").Body), &metadata); err != nil {
		t.Fatal(err)
	}
	if !metadata.Bound || !strings.Contains(strings.Join(metadata.Methods, " "), "self_signed_tls_client_auth") {
		t.Fatalf("metadata = %+v", metadata)
	}
	form := url.Values{"client_id": {"batch"}}
	alias := metadata.Aliases["token_endpoint"]
	token := tokenAt(t, overTLS(t, server, mine), alias, form, func() []string { return nil })
	for name, tt := range map[string]struct {
		client   *http.Client
		endpoint string
		header   []string
		want     int
	}{
		"no certificate":                         {overTLS(t, server, nil), alias, nil, 401},
		"another certificate":                    {overTLS(t, server, other), alias, nil, 401},
		"another, and a header":                  {overTLS(t, server, other), alias, []string{"Client-Cert", mine.header()}, 401},
		"where none is asked for":                {client, base + "/token", nil, 401},
		"where none is asked for, in a header":   {client, base + "/token", []string{"Client-Cert", mine.header()}, 401},
		"a trusted proxy's word":                 {client, strings.Replace(base, fmt.Sprint(plain), fmt.Sprint(proxied), 1) + "/token", []string{"Client-Cert", mine.header()}, 200},
		"a trusted proxy's word of another":      {client, strings.Replace(base, fmt.Sprint(plain), fmt.Sprint(proxied), 1) + "/token", []string{"Client-Cert", other.header()}, 401},
		"a trusted proxy's word that is unclear": {client, strings.Replace(base, fmt.Sprint(plain), fmt.Sprint(proxied), 1) + "/token", []string{"Client-Cert", "x"}, 401},
		"the word of a proxy that nobody trusts": {client, strings.Replace(base, fmt.Sprint(plain), fmt.Sprint(untrusted), 1) + "/token", []string{"Client-Cert", mine.header()}, 401},
	} {
		t.Run(name, func(t *testing.T) {
			if _, status := askToken(t, tt.client, tt.endpoint, form, tt.header...); status != tt.want {
				t.Errorf("status = %d, want %d", status, tt.want)
			}
		})
	}
	for name, tt := range map[string]struct {
		own  *clientCertificate
		want int
	}{"the gate, its certificate": {mine, 200}, "the gate, another": {other, 401}, "the gate, none": {nil, 401}} {
		t.Run(name, func(t *testing.T) {
			r, err := http.NewRequest(http.MethodGet, fmt.Sprintf("https://localhost:%d/orders", secure), nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+token)
			res, err := overTLS(t, server, tt.own).Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if body, _ := io.ReadAll(res.Body); res.StatusCode != tt.want || tt.want == 200 && string(body) != "batch" {
				t.Errorf("status = %d %s, want %d", res.StatusCode, body, tt.want)
			}
		})
	}
}

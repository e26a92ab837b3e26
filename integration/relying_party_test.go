package integration_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// partyNode is a node over TLS with applications of every kind, for the client
// libraries of others: what they accept is a second opinion on what is sent.
type partyNode struct {
	*node
	app  *party         // where the applications' addresses are, under every client_id
	own  *http.ServeMux // of an application at $OWN whose handlers are a library's
	home string         // $OWN
	ca   string         // PEM file of the certificate

	logoutTokens int // that were taken
}

const (
	partySecret     = "party-secret-Hk27vNq8RtYw-c31m"
	partyMACSecret  = "party-mac-secret-xR8s2Kq7-xR8s2Kq7-xR8s2Kq7-xR8s2Kq7-xR8s2Kq7-xR8s2Kq7-64"
	partyFirstToken = "party-initial-access-token-Vb61Lw"
	partyKeyID      = "party-1"
)

// startParty runs a node for client libraries. more is added to its environment.
func startParty(t testing.TB, b backend, more ...string) *partyNode {
	t.Helper()
	return startPartyWith(t, b, "", "", more...)
}

// startPartyWith is startParty with more lines for the gatehouse option, and more sites: $MORE, $MTLS and $BOUND are ports.
func startPartyWith(t testing.TB, b backend, global, sites string, more ...string) *partyNode {
	t.Helper()
	p := prepareParty(t, b, global, sites, more...)
	p.run(t)
	return p
}

// prepareParty is startPartyWith without the start.
func prepareParty(t testing.TB, b backend, global, sites string, more ...string) *partyNode {
	t.Helper()
	c := config{
		storage: b,
		ports:   []string{"tls", "api", "more", "mtls", "bound"},
		global: `insecure_unlimited 127.0.0.0/8
		outbound {
			insecure_loopback_http
		}
		` + global,
		env: strings.Join(append([]string{partyApplications}, more...), "\n"),
		sites: `
https://127.0.0.1:$TLS {
	tls $DIR/tls.pem $DIR/tls.key
	log
	authorization_server
}

https://127.0.0.1:$API {
	tls $DIR/tls.pem $DIR/tls.key
	log
	bearer_auth {
		issuer $ISSUER
		audience ` + orders + `
		scope orders:read
	}
	reverse_proxy $UPSTREAM
}
` + sites,
	}
	p := &partyNode{node: prepare(t, c), app: newParty(t, "every client", "", "127.0.0.1"), own: http.NewServeMux()}
	own := httptest.NewServer(p.own)
	t.Cleanup(own.Close)
	p.home = own.URL
	p.vars["ISSUER"] = fmt.Sprintf("https://%s/%s/as", p.addr("tls"), mainEnv)
	p.vars["PARTY"], p.vars["OWN"] = p.app.base, p.home
	for name, value := range map[string]string{"PARTY_SECRET": partySecret, "PARTY_MAC_SECRET": partyMACSecret, "PARTY_TOKEN": partyFirstToken} {
		p.env = append(p.env, name+"="+value)
		p.secret(name, value)
	}
	p.secret("alice's password", alicePassword)
	key := jose.JSONWebKey{Key: rsaKey("party").Public(), KeyID: partyKeyID, Algorithm: "RS256", Use: "sig"}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key}})
	if err != nil {
		t.Fatal(err)
	}
	p.keep(t, "party.jwks.key", set)
	p.ca = p.certify(t)
	p.write(t, c)
	return p
}

// host is where a site is called by its name, which a client names in TLS too, as it does not with an address.
func (p *partyNode) host(port string) string { return "localhost:" + p.vars[strings.ToUpper(port)] }

// keep writes a file that no secret is looked for in.
func (p *partyNode) keep(t testing.TB, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// certify makes a certificate for 127.0.0.1 and localhost, trusts it, and gives its file.
func (p *partyNode) certify(t testing.TB) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "Integration tests"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	p.keep(t, "tls.key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(public)
	p.client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: roots}
	return p.keep(t, "tls.pem", public)
}

// libraries is the client that libraries get: it follows redirects as usual.
func (p *partyNode) libraries() *http.Client {
	return &http.Client{Transport: p.client.Transport, Timeout: p.client.Timeout}
}

// landed is what came to a path of the application last.
func (p *partyNode) landed(t testing.TB, path string) arrival {
	t.Helper()
	all := p.app.at(path)
	if len(all) == 0 {
		t.Fatalf("nothing came to %s of the application", path)
	}
	return all[len(all)-1]
}

// logoutToken waits for the next logout token that comes to the application.
func (p *partyNode) logoutToken(t testing.TB) string {
	t.Helper()
	var all []arrival
	eventually(t, 10*time.Second, "a logout token arrives", func() bool {
		all = p.app.at("/backchannel")
		return len(all) > p.logoutTokens
	})
	came := all[p.logoutTokens]
	p.logoutTokens++
	if kind := came.header.Get("Content-Type"); len(came.values) != 1 || came.method != http.MethodPost || kind != "application/x-www-form-urlencoded" {
		t.Errorf("the logout request is a %s with %d parameters and type %q, want logout_token alone in a form (Back-Channel Logout §2.5)", came.method, len(came.values), kind)
	}
	token := came.values.Get("logout_token")
	p.secret("a logout token", token)
	return token
}

// partyApplications are named for what is special about them.
const partyApplications = `
			sign_on {
				argon2 8MiB 1
			}
			client_registration token {
				token {env.PARTY_TOKEN}
				scope openid profile email offline_access
			}
			application party-basic {
				name "Party with a secret"
				type web_app
				secret {env.PARTY_SECRET}
				auth_method client_secret_basic
				grant authorization_code refresh_token
				pkce s256_required
				redirect_uri $PARTY/callback
				post_logout_redirect_uri $PARTY/bye
				backchannel_logout_uri $PARTY/backchannel
				allow openid profile email offline_access orders:read
			}
			application party-consent {
				type web_app
				secret {env.PARTY_SECRET}
				auth_method client_secret_post
				grant authorization_code refresh_token
				pkce s256_required
				consent always
				userinfo_signed
				redirect_uri $PARTY/callback
				post_logout_redirect_uri $PARTY/bye
				allow openid profile email offline_access orders:read
			}
			application party-post {
				type web_app
				secret {env.PARTY_SECRET}
				auth_method client_secret_post
				grant authorization_code refresh_token
				pkce s256_required
				redirect_uri $PARTY/callback $OWN/post/callback
				post_logout_redirect_uri $OWN/bye
				allow openid profile email offline_access orders:read
			}
			application party-mac {
				type web_app
				secret {env.PARTY_MAC_SECRET}
				auth_method client_secret_jwt
				grant authorization_code refresh_token
				pkce s256_required
				redirect_uri $PARTY/callback
				allow openid profile email offline_access orders:read
			}
			application party-key {
				type web_app
				auth_method private_key_jwt
				jwks_file $DIR/party.jwks.key
				grant authorization_code refresh_token
				pkce s256_required
				redirect_uri $PARTY/callback $OWN/key/callback
				post_logout_redirect_uri $PARTY/bye $OWN/bye
				allow openid profile email offline_access orders:read
			}
			application party-strict {
				type web_app
				auth_method private_key_jwt
				jwks_file $DIR/party.jwks.key
				grant authorization_code refresh_token
				pkce s256_required
				par_required
				signed_request_object
				redirect_uri $PARTY/callback
				allow openid profile email offline_access orders:read
			}
			application party-public {
				type native_app
				auth_method none
				grant authorization_code refresh_token
				redirect_uri $PARTY/callback
				post_logout_redirect_uri $PARTY/bye
				allow openid profile email offline_access orders:read
			}
			application party-hybrid {
				type web_app
				secret {env.PARTY_SECRET}
				auth_method client_secret_basic
				grant authorization_code implicit refresh_token
				response_type code token id_token
				redirect_uri $PARTY/callback
				allow openid profile email offline_access orders:read
			}`

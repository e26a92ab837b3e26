package integration_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestAttackTLS has what cases 60, 64 and 68 say about TLS and HTTP/2: one port,
// one name that is guarded, another that is not.
func TestAttackTLS(t *testing.T) {
	f := newIssuer(t)
	certificate, key, roots := selfSigned(t, "example.com", "open.example.com")
	n := start(t, config{bare: true, ports: []string{"tls"}, vars: map[string]string{
		"FOREIGN_ISSUER": f.url(), "CERTIFICATE": writeFile(t, "cert.pem", certificate), "PRIVATE": writeFile(t, "key.pem", key),
	}, sites: `
https://example.com:$TLS {
	tls $CERTIFICATE $PRIVATE
	bearer_auth {
		issuer $FOREIGN_ISSUER {
			insecure_loopback_http
		}
		audience ` + orders + `
		forward_claim sub X-User-Id
		forward_claim email X-User-Email
	}
	reverse_proxy $UPSTREAM
}
https://open.example.com:$TLS {
	tls $CERTIFICATE $PRIVATE
	respond open
}
`})
	good := f.token(t, nil) // it has no email
	n.secret("the good token", good)
	bearer := "Authorization: Bearer " + good + "\r\n"

	t.Run("case_60", func(t *testing.T) {
		// ask sends one request over a connection that named serverName. It gives 0
		// where there was no handshake.
		ask := func(t *testing.T, serverName, host, more string) int {
			t.Helper()
			conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", n.addr("tls"), &tls.Config{ServerName: serverName, InsecureSkipVerify: true})
			if err != nil {
				return 0
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
			if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n"+more+"\r\n"); err != nil {
				t.Fatal(err)
			}
			r, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Body.Close()
			return r.StatusCode
		}
		for name, tt := range map[string]struct {
			serverName, host string
			want             int // 0: whatever, as long as the upstream is not asked
		}{
			"no token":            {"example.com", "example.com", 401},
			"upper case":          {"EXAMPLE.com", "Example.COM", 401},
			"SNI of the open one": {"open.example.com", "example.com", 401},
			"host of another":     {"example.com", "other.example.com", 0},
			"no SNI":              {"", "example.com", 0},
			"SNI unknown":         {"other.example.com", "example.com", 0},
			"trailing dot":        {"example.com", "example.com.", 0},
		} {
			t.Run(name, func(t *testing.T) {
				before := n.upstream.count()
				got := ask(t, tt.serverName, tt.host, "")
				if tt.want != 0 && got != tt.want {
					t.Errorf("status = %d, want %d", got, tt.want)
				}
				if n.upstream.count() != before {
					t.Errorf("the upstream was contacted (%d)", got)
				}
			})
		}
		for name, serverName := range map[string]string{"nearest good": "example.com", "nearest good, SNI of the open one": "open.example.com"} {
			if got := ask(t, serverName, "example.com", bearer); got != 200 {
				t.Errorf("%s: status = %d, want 200", name, got)
			}
		}
		if got := ask(t, "open.example.com", "open.example.com", ""); got != 200 {
			t.Errorf("the open site: status = %d, want 200", got)
		}
	})

	// HTTP/2 has names in lower case only, and trailers of its own form.
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	h2 := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, n.addr("tls"))
		},
	}}
	t.Cleanup(h2.CloseIdleConnections)
	send := func(t *testing.T, token string, header, trailer http.Header) int {
		t.Helper()
		// The upstream must read to the end to see trailers, so there is a body.
		body, w := io.Pipe()
		req, err := http.NewRequest(http.MethodPost, "https://example.com/", body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header = header.Clone()
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		req.Trailer = trailer
		go func() { _, _ = io.WriteString(w, "hello"); w.Close() }()
		r, err := h2.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, r.Body)
		r.Body.Close()
		if r.ProtoMajor != 2 {
			t.Fatalf("protocol = %s, want HTTP/2", r.Proto)
		}
		return r.StatusCode
	}
	wants := func(t *testing.T, name string, want ...string) {
		t.Helper()
		if got := n.upstream.last().folded(name); strings.Join(got, "|") != strings.Join(want, "|") {
			t.Errorf("%s upstream = %q, want %q", name, got, want)
		}
	}
	forged := http.Header{"x-USER-id": {"admin"}, "X_User_Id": {"admin", "root"}, "x.user.id": {"admin"}, "X-User-Email": {"a@b"}, "x_user-email": {"a@b"}}
	t.Run("case_64 over HTTP/2", func(t *testing.T) {
		if got := send(t, good, forged, nil); got != 200 {
			t.Fatalf("status = %d, want 200", got)
		}
		wants(t, "X-User-Id", "user-1")
		wants(t, "X-User-Email")
		before := n.upstream.count()
		if got := send(t, "", forged, nil); got != 401 || n.upstream.count() != before {
			t.Errorf("without a token: %d, want 401 and nothing at the upstream", got)
		}
	})
	t.Run("case_68 over HTTP/2", func(t *testing.T) {
		trailer := http.Header{"X-User-Id": {"admin"}, "X_user_id": {"admin"}, "X-User-Email": {"a@b"}, "X-Other": {"kept"}}
		if got := send(t, good, http.Header{}, trailer); got != 200 || n.upstream.last().body != "hello" {
			t.Fatalf("status = %d, body %q, want 200 and hello", got, n.upstream.last().body)
		}
		wants(t, "X-User-Id", "user-1")
		wants(t, "X-User-Email")
		wants(t, "X-Other", "kept")
	})
}

// selfSigned makes a certificate for names, which is its own root.
func selfSigned(t testing.TB, names ...string) (certificate, key string, roots *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	certificate = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	roots = x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(certificate))
	return certificate, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})), roots
}

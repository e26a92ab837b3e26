package transfer_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/mtls"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
	"github.com/caddy-gatehouse/gatehouse/authserver/transfer"
)

// authorized is bare with an authority for client certificates in each environment.
func authorized(t testing.TB, environments ...string) declared.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "root"}, NotBefore: start, NotAfter: start.Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	c := bare(environments...)
	for i := range c.Environments {
		c.Environments[i].ClientCAFile = file
	}
	return c
}

// certificates are names of certificates, one of each kind; an application's ID ends in its place here.
var certificates = []directory.TLSSubject{
	{DN: `CN=batch\, night,OU=a+UID=7,O=Exämple,C=DE`},
	{DNS: demo}, // which is an environment's ID too, and no reference to it
	{URI: "spiffe://example.com/<batch>?a=1&b=2"},
	{IP: "2001:db8::1"},
	{Email: "batch@example.com"},
}

func certificateApplication(i int) string {
	return "33333333-0000-4000-8000-00000000000" + string(rune('0'+i))
}

// service is an application that acts for itself.
func service(name, method string) *directory.Application {
	return &directory.Application{
		Name: name, Enabled: true, Protocol: "OPENID_CONNECT", Type: "SERVICE", TokenEndpointAuthMethod: method,
		GrantTypes: []string{"CLIENT_CREDENTIALS"},
	}
}

// fillBinding puts applications into the server's environment that prove to possess something.
func (s *server) fillBinding(t testing.TB) {
	t.Helper()
	create := func(id string, a *directory.Application) {
		t.Helper()
		if _, err := s.Writer.Create(t.Context(), actor, s.env, directory.New{ID: id, Document: a}); err != nil {
			t.Fatalf("create %s: %s", a.Name, explain(err))
		}
	}
	for i, subject := range certificates {
		a := service("certificate "+string(rune('0'+i)), "TLS_CLIENT_AUTH")
		a.TLSClientAuthSubject = &subject
		a.TLSClientCertificateBoundAccessTokens = ptr(i%2 == 0)
		create(certificateApplication(i), a)
	}
	selfSigned := service("self-signed", "SELF_SIGNED_TLS_CLIENT_AUTH")
	selfSigned.JWKSURL = ptr("https://batch.example.com/keys")
	selfSigned.TLSClientCertificateBoundAccessTokens = ptr(true)
	create(certificateApplication(8), selfSigned)
	bound := service("bound to a key", "CLIENT_SECRET_BASIC")
	bound.DPoPBoundAccessTokens = ptr(true)
	create(certificateApplication(9), bound)
}

// proves is what the server asks of an application's client: what counts is not the document.
func (s *server) proves(t testing.TB, env *store.Environment, i int) store.Client {
	t.Helper()
	c, err := s.Live.ClientByID(t.Context(), env.ID, certificateApplication(i))
	if err != nil {
		t.Fatalf("application %d: %v", i, err)
	}
	return store.Client{AuthMethod: c.AuthMethod, TLSSubject: c.TLSSubject, JWKSURI: c.JWKSURI, DPoPBound: c.DPoPBound, CertificateBound: c.CertificateBound}
}

// TestBindingMoves: what a client has to prove is the same where a file brought it, in another environment too.
func TestBindingMoves(t *testing.T) {
	from := newServer(t, authorized(t, demo), key(1))
	from.fillBinding(t)
	file := from.export(t, nil, withUsers)
	to := newServer(t, authorized(t, demo, other), key(2))
	for _, id := range []string{demo, other} {
		env := to.environment(t, id)
		to.doImport(t, env, file, transfer.ImportOptions{})
		for i, subject := range certificates {
			want := store.Client{AuthMethod: oauth.AuthTLSClient, TLSSubject: mtls.Subject(subject), CertificateBound: i%2 == 0}
			if diff := cmp.Diff(want, to.proves(t, env, i)); diff != "" {
				t.Errorf("%s, application %d (-want +got):\n%s", id, i, diff)
			}
		}
		for _, i := range []int{8, 9} {
			if diff := cmp.Diff(from.proves(t, from.env, i), to.proves(t, env, i)); diff != "" {
				t.Errorf("%s, application %d (-from +to):\n%s", id, i, diff)
			}
		}
		if again := to.doImport(t, env, file, transfer.ImportOptions{}); again.Created+again.Updated+again.Deleted != 0 {
			t.Errorf("%s, the same file again = %+v, want all the same", id, again.Progress)
		}
	}
	if diff := cmp.Diff(strings.Split(file, "\n"), strings.Split(to.export(t, to.environment(t, demo), withUsers), "\n")); diff != "" {
		t.Errorf("exports (-first +second):\n%s", diff)
	}
	if c := to.proves(t, to.env, 9); !c.DPoPBound || c.CertificateBound {
		t.Errorf("the application that is bound to a key: %+v", c)
	}
}

// TestBindingChangesByFile: a file changes what a client has to prove, and tells so; one that says nothing of it leaves bound tokens bound.
func TestBindingChangesByFile(t *testing.T) {
	s := newServer(t, authorized(t, demo), key(1))
	s.fillBinding(t)
	file := s.export(t, nil, transfer.ExportOptions{})
	for _, tt := range []struct {
		name, old, new string
		member         string // "" where nothing changes
		i              int
		want           store.Client
	}{
		{
			"another e-mail address", `{"email":"batch@example.com"}`, `{"email":"night@example.com"}`, "tlsClientAuthSubject.email", 4,
			store.Client{AuthMethod: oauth.AuthTLSClient, TLSSubject: mtls.Subject{Email: "night@example.com"}, CertificateBound: true},
		},
		{
			"another kind of name", `{"ip":"2001:db8::1"}`, `{"dns":"batch.example.com"}`, "tlsClientAuthSubject.ip", 3,
			store.Client{AuthMethod: oauth.AuthTLSClient, TLSSubject: mtls.Subject{DNS: "batch.example.com"}},
		},
		{
			"not bound any more", `"dpopBoundAccessTokens":true`, `"dpopBoundAccessTokens":false`, "dpopBoundAccessTokens", 9,
			store.Client{AuthMethod: oauth.AuthClientSecretBasic},
		},
		{
			"nothing said of it", `"dpopBoundAccessTokens":true,`, ``, "", 9,
			store.Client{AuthMethod: oauth.AuthClientSecretBasic, DPoPBound: true},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s.doImport(t, nil, file, transfer.ImportOptions{})
			changed := strings.Replace(file, tt.old, tt.new, 1)
			if changed == file {
				t.Fatalf("the file has no %s:\n%s", tt.old, file)
			}
			told := s.doImport(t, nil, changed, transfer.ImportOptions{DryRun: true})
			s.doImport(t, nil, changed, transfer.ImportOptions{})
			var members []string
			for _, d := range told.differences {
				for _, c := range d.Changes {
					members = append(members, c.Member)
				}
			}
			if tt.member == "" && members != nil || tt.member != "" && !strings.Contains(strings.Join(members, " "), tt.member) {
				t.Errorf("members that changed = %q, want %q", members, tt.member)
			}
			if diff := cmp.Diff(tt.want, s.proves(t, s.env, tt.i)); diff != "" {
				t.Errorf("the client (-want +got):\n%s", diff)
			}
		})
	}
}

// TestBindingThatIsRefused: a file brings no application that could not be made here.
func TestBindingThatIsRefused(t *testing.T) {
	from := newServer(t, authorized(t, demo), key(1))
	from.fillBinding(t)
	file := from.export(t, nil, transfer.ExportOptions{})
	for _, tt := range []struct {
		name, old, new string
		config         declared.Config
		want           string
	}{
		{"good", `"uri":`, `"uri":`, authorized(t, demo), ""},
		{"no authorities here", `"uri":`, `"uri":`, bare(demo), "tokenEndpointAuthMethod"},
		{"two names", `{"email":`, `{"dns":"x.example.com","email":`, authorized(t, demo), "tlsClientAuthSubject"},
		{"no name", `{"ip":"2001:db8::1"}`, `{}`, authorized(t, demo), "tlsClientAuthSubject"},
		{"none at all", `"tlsClientAuthSubject":{"ip":"2001:db8::1"},`, ``, authorized(t, demo), "tlsClientAuthSubject"},
		{"a name that is none", `{"ip":"2001:db8::1"}`, `{"ip":"2001:db8::1/64"}`, authorized(t, demo), "tlsClientAuthSubject"},
		{"an unknown kind of name", `{"ip":"2001:db8::1"}`, `{"serial":"1"}`, authorized(t, demo), "serial"},
		{"a name without its method", `"TLS_CLIENT_AUTH"`, `"CLIENT_SECRET_BASIC"`, authorized(t, demo), "tlsClientAuthSubject"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			changed := strings.Replace(file, tt.old, tt.new, 1)
			if changed == file && tt.old != tt.new {
				t.Fatalf("the file has no %s:\n%s", tt.old, file)
			}
			to := newServer(t, tt.config, key(1))
			_, err := to.tryImport(t.Context(), nil, strings.NewReader(changed), transfer.ImportOptions{})
			if tt.want == "" {
				if err != nil {
					t.Fatalf("refused: %s", explain(err))
				}
				return
			}
			if err == nil || !strings.Contains(explain(err), tt.want) {
				t.Fatalf("error = %v, want one about %s", err, tt.want)
			}
		})
	}
}

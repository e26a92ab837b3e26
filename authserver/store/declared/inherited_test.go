package declared_test

import (
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

// authority writes the certificate of an authority to a file, and gives its name and text.
func authority(t *testing.T) (file, text string) {
	t.Helper()
	key, err := jose.GenerateSigningKey(jose.ES256, 0)
	if err != nil {
		t.Fatal(err)
	}
	der, err := key.Certificate(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(file, block, 0o600); err != nil {
		t.Fatal(err)
	}
	return file, string(block)
}

// TestInheritedByEnvironments: what is said of all environments is that of each one that says nothing else, declared or not.
func TestInheritedByEnvironments(t *testing.T) {
	const id, other = "5f0c9f3a-6c1e-4c55-9a3b-2d7f8e1b4a60", "0b7d3c52-9c1f-4f5e-8a44-6a1c2e9d7f10"
	everybodys, everybodysText := authority(t)
	own, ownText := authority(t)
	issuer := func(id string) string { return "https://auth.example.com/" + id + "/as" }
	for _, tt := range []struct {
		name         string
		all          declared.Config
		own          declared.Environment
		url, cas     string // of the declared one
		sURL, stored string // of one that is stored
	}{
		{name: "nothing"},
		{
			name: "of all", all: declared.Config{MTLSURL: "https://mtls.example.com:8443/idp", ClientCAFile: everybodys},
			url: "https://mtls.example.com:8443/idp/" + id + "/as", cas: everybodysText,
			sURL: "https://mtls.example.com:8443/idp/" + other + "/as", stored: everybodysText,
		},
		{
			name: "one's own goes before", all: declared.Config{MTLSURL: "https://mtls.example.com", ClientCAFile: everybodys},
			own: declared.Environment{MTLSURL: "https://own.example.com/" + id + "/as", ClientCAFile: own},
			url: "https://own.example.com/" + id + "/as", cas: ownText, sURL: "https://mtls.example.com/" + other + "/as", stored: everybodysText,
		},
		{
			name: "one's own is not others'", own: declared.Environment{MTLSURL: "https://own.example.com/" + id + "/as", ClientCAFile: own},
			url: "https://own.example.com/" + id + "/as", cas: ownText,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.own.Name, tt.own.ID, tt.own.Issuer = "demo", id, issuer(id)
			tt.all.Environments = []declared.Environment{tt.own}
			d, err := declared.New(tt.all)
			if err != nil {
				t.Fatal(err)
			}
			env, err := d.EnvironmentByID(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			stored, err := declared.NewEnvironment(declared.Environment{Name: "stored", ID: other, Issuer: issuer(other)})
			if err != nil {
				t.Fatal(err)
			}
			d.Inherit(stored)
			for _, c := range []struct {
				env      *store.Environment
				url, cas string
			}{{env, tt.url, tt.cas}, {stored, tt.sURL, tt.stored}} {
				if c.env.MTLSURL != c.url || string(c.env.ClientCAs) != c.cas {
					t.Errorf("%s: %q and authorities %q, want %q and %q", c.env.Name, c.env.MTLSURL, c.env.ClientCAs, c.url, c.cas)
				}
			}
		})
	}
	t.Run("applications may use the authorities of all", func(t *testing.T) {
		application := declared.Application{
			ClientID: "batch", Type: "service", AuthMethod: "tls_client_auth", TLSSubject: &declared.TLSSubject{DNS: "batch.example.com"},
		}
		c := declared.Config{Environments: []declared.Environment{{
			Name: "demo", ID: id, Issuer: issuer(id), Applications: []declared.Application{application},
		}}}
		if _, err := declared.New(c); err == nil || !strings.Contains(err.Error(), "client_ca_file") {
			t.Errorf("without any: %v, want an error about client_ca_file", err)
		}
		c.ClientCAFile = everybodys
		if _, err := declared.New(c); err != nil {
			t.Errorf("with those of all: %v", err)
		}
	})
	for name, c := range map[string]declared.Config{
		"mtls_url without TLS":               {MTLSURL: "http://localhost:8080"},
		"mtls_url with a slash at its end":   {MTLSURL: "https://mtls.example.com/"},
		"mtls_url with a query":              {MTLSURL: "https://mtls.example.com?a=b"},
		"mtls_url of one environment":        {MTLSURL: "https://mtls.example.com/" + id + "/as"},
		"mtls_url that is no URL":            {MTLSURL: "mtls.example.com"},
		"client_ca_file that is not there":   {ClientCAFile: everybodys + "x"},
		"client_ca_file without certificate": {ClientCAFile: "inherited_test.go"},
	} {
		t.Run(name, func(t *testing.T) {
			option, _, _ := strings.Cut(name, " ")
			if _, err := declared.New(c); err == nil || !strings.HasPrefix(err.Error(), option) {
				t.Errorf("error = %v, want one that begins with %s", err, option)
			}
		})
	}
}

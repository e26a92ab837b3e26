package management_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"mime/multipart"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/smallstep/pkcs7"
	"software.sslmate.com/src/go-pkcs12"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// goodKey is a signing key of the kit's algorithm.
const goodKey = `{"name":"Signer","algorithm":"EC","keyLength":256,"signatureAlgorithm":"SHA256withECDSA",` +
	`"subjectDN":"CN=Signer, O=Example, C=GB","usageType":"SIGNING","validityPeriod":365}`

// changed replaces members of a JSON object; null takes one away.
func changed(t testing.TB, text, changes string) string {
	t.Helper()
	var v, more map[string]json.RawMessage
	for _, one := range []struct {
		text string
		into *map[string]json.RawMessage
	}{{text, &v}, {changes, &more}} {
		if err := json.Unmarshal([]byte(one.text), one.into); err != nil {
			t.Fatalf("%s: %v", one.text, err)
		}
	}
	for name, value := range more {
		if v[name] = value; string(value) == "null" {
			delete(v, name)
		}
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestKeyIsCreated(t *testing.T) {
	k := newKit(t)
	tests := []struct{ name, changes, shown string }{
		{"signing", `{}`, `{"status":"VALID","default":false,"issuerDN":"CN=Signer,O=Example,C=GB"}`},
		{"default", `{"default":true}`, `{"default":true}`},
		{"RSA 2048", `{"algorithm":"RSA","keyLength":2048,"signatureAlgorithm":"SHA384withRSA"}`, `{}`},
		{"RSA 3072", `{"algorithm":"RSA","keyLength":3072,"signatureAlgorithm":"SHA512withRSA"}`, `{}`},
		{"EC 384", `{"keyLength":384,"signatureAlgorithm":"SHA512withECDSA"}`, `{}`},
		{"EC 521", `{"keyLength":521}`, `{}`},
		{"EC 224 for another use", `{"keyLength":224,"usageType":"ENCRYPTION"}`, `{}`},
		{"SSL/TLS", `{"usageType":"SSL/TLS"}`, `{}`},
		{"ISSUANCE with revocation list", `{"usageType":"ISSUANCE","customCRL":"http://crl.example.com/a"}`, `{}`},
		{"OUTBOUND_MTLS", `{"usageType":"OUTBOUND_MTLS"}`, `{}`},
		{"issuerDN is shown as it was sent", `{"issuerDN":"CN=Somebody"}`, `{}`},
		{"one day", `{"validityPeriod":1}`, `{"status":"EXPIRING"}`},
		{"a hundred years", `{"validityPeriod":36500}`, `{}`},
		{"members that it sets itself", `{"status":"REVOKED","id":"x","startsAt":"2000-01-01T00:00:00Z"}`, `{"status":"VALID","startsAt":"2026-03-01T12:00:00.000Z"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body := changed(t, goodKey, tt.changes)
			a := k.as(root).post("/{env}/keys", body).is(http.StatusCreated)
			sent := changed(t, body, `{"status":null,"id":null,"startsAt":null}`)
			a.has(sent).has(tt.shown)
			again := k.as(root).get("/{env}/keys/" + a.text("id")).is(http.StatusOK)
			again.has(sent).has(tt.shown)
			if again.Header.Get("ETag") == "" || again.text("environment.id") != home || again.text("_links.self.href") != apiURL+"/v1/environments/"+home+"/keys/"+a.text("id") {
				t.Errorf("ETag, environment, self = %q, %q, %q", again.Header.Get("ETag"), again.text("environment.id"), again.text("_links.self.href"))
			}
		})
	}
}

func TestSerialNumberIsANumber(t *testing.T) {
	k := newKit(t)
	const serial = "1234567890123456789012345678901234567890"
	a := k.as(root).post("/{env}/keys", strings.Replace(goodKey, "{", `{"serialNumber":`+serial+`,`, 1)).is(http.StatusCreated)
	if !bytes.Contains(a.Body, []byte(`"serialNumber":`+serial+`,`)) {
		t.Errorf("body = %s, want the serial number as a number", a.Body)
	}
	cert := certificateOf(t, k, a.text("id"))
	if cert.SerialNumber.String() != serial {
		t.Errorf("serial number of the certificate = %s", cert.SerialNumber)
	}
	drawn := certificateOf(t, k, k.as(root).post("/{env}/keys", goodKey).is(http.StatusCreated).text("id"))
	if drawn.SerialNumber.BitLen() < 64 {
		t.Errorf("a drawn serial number has %d bits", drawn.SerialNumber.BitLen())
	}
}

// certificateOf reads a key's certificate as PEM.
func certificateOf(t *testing.T, k *kit, id string) *x509.Certificate {
	t.Helper()
	a := k.as(root).get("/{env}/keys/"+id, "Accept", "application/x-x509-ca-cert").is(http.StatusOK)
	block, _ := pem.Decode(a.Body)
	if block == nil {
		t.Fatalf("no PEM: %s", a.Body)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestKeyIsRefused(t *testing.T) {
	k := newKit(t)
	tests := []struct{ name, changes, code, target string }{
		{"no name", `{"name":null}`, "REQUIRED_VALUE", "name"},
		{"blank name", `{"name":" "}`, "REQUIRED_VALUE", "name"},
		{"name of 257 characters", `{"name":"` + strings.Repeat("n", 257) + `"}`, "SIZE_LIMIT_EXCEEDED", "name"},
		{"name of two lines", `{"name":"a\nb"}`, "INVALID_VALUE", "name"},
		{"no algorithm", `{"algorithm":null}`, "REQUIRED_VALUE", "algorithm"},
		{"unknown algorithm", `{"algorithm":"DSA"}`, "INVALID_VALUE", "algorithm"},
		{"no length", `{"keyLength":null}`, "REQUIRED_VALUE", "keyLength"},
		{"RSA 1024", `{"algorithm":"RSA","keyLength":1024,"signatureAlgorithm":"SHA256withRSA"}`, "INVALID_VALUE", "keyLength"},
		{"RSA 16384", `{"algorithm":"RSA","keyLength":16384,"signatureAlgorithm":"SHA256withRSA"}`, "INVALID_VALUE", "keyLength"},
		{"EC 2048", `{"keyLength":2048}`, "INVALID_VALUE", "keyLength"},
		{"EC 192", `{"keyLength":192}`, "INVALID_VALUE", "keyLength"},
		{"EC 224 signs no token", `{"keyLength":224}`, "INVALID_VALUE", "keyLength"},
		{"no signature algorithm", `{"signatureAlgorithm":null}`, "REQUIRED_VALUE", "signatureAlgorithm"},
		{"signature algorithm of RSA", `{"signatureAlgorithm":"SHA256withRSA"}`, "INVALID_VALUE", "signatureAlgorithm"},
		{"SHA-1", `{"signatureAlgorithm":"SHA1withECDSA"}`, "INVALID_VALUE", "signatureAlgorithm"},
		{"no subject", `{"subjectDN":null}`, "REQUIRED_VALUE", "subjectDN"},
		{"subject that is none", `{"subjectDN":"Signer"}`, "INVALID_VALUE", "subjectDN"},
		{"issuer that is none", `{"issuerDN":"CN="}`, "INVALID_VALUE", "issuerDN"},
		{"no usage", `{"usageType":null}`, "REQUIRED_VALUE", "usageType"},
		{"unknown usage", `{"usageType":"signing"}`, "INVALID_VALUE", "usageType"},
		{"no validity", `{"validityPeriod":null}`, "REQUIRED_VALUE", "validityPeriod"},
		{"validity in the past", `{"validityPeriod":-1}`, "OUT_OF_RANGE", "validityPeriod"},
		{"validity of more than a hundred years", `{"validityPeriod":36501}`, "OUT_OF_RANGE", "validityPeriod"},
		{"validity is no number", `{"validityPeriod":"365"}`, "INVALID_VALUE", "validityPeriod"},
		{"serial number of zero", `{"serialNumber":0}`, "OUT_OF_RANGE", "serialNumber"},
		{"negative serial number", `{"serialNumber":-5}`, "OUT_OF_RANGE", "serialNumber"},
		{"serial number of 21 bytes", `{"serialNumber":999999999999999999999999999999999999999999999999}`, "OUT_OF_RANGE", "serialNumber"},
		{"serial number of many digits", `{"serialNumber":` + strings.Repeat("9", 5000) + `}`, "INVALID_VALUE", "serialNumber"},
		{"serial number that is a fraction", `{"serialNumber":1.5}`, "INVALID_VALUE", "serialNumber"},
		{"serial number with an exponent", `{"serialNumber":1e9}`, "INVALID_VALUE", "serialNumber"},
		{"revocation list of another scheme", `{"customCRL":"ldap://x/y"}`, "INVALID_VALUE", "customCRL"},
		{"default of another use", `{"usageType":"ENCRYPTION","default":true}`, "INVALID_VALUE", "default"},
		{"default of another algorithm", `{"keyLength":384,"default":true}`, "INVALID_VALUE", "default"},
	}
	before := len(k.as(root).page("/{env}/keys", "keys", 200))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k.as(root).post("/{env}/keys", changed(t, goodKey, tt.changes)).refused(http.StatusBadRequest, "INVALID_DATA", tt.code, tt.target)
		})
	}
	if after := len(k.as(root).page("/{env}/keys", "keys", 200)); after != before {
		t.Errorf("%d keys, want %d: one that was refused was stored", after, before)
	}
	k.as(root).post("/{env}/keys", "x", "Content-Type", "text/plain").refused(http.StatusUnsupportedMediaType, "INVALID_REQUEST")
	k.as(root).post("/{env}/keys", goodKey, "Content-Type", "multipart/form-data").refused(http.StatusBadRequest, "INVALID_REQUEST")
}

func TestKeysAreLimited(t *testing.T) {
	k := newKit(t)
	small := changed(t, goodKey, `{"usageType":"ENCRYPTION"}`)
	for range 50 {
		k.as(root).post("/{env}/keys", small).is(http.StatusCreated)
	}
	k.as(root).post("/{env}/keys", small).refused(http.StatusBadRequest, "INVALID_DATA", "CONSTRAINT_VIOLATION")
	if all := k.as(root).page("/{env}/keys?limit=7", "keys", 7); len(all) != 52 {
		t.Errorf("%d keys in pages, want 52", len(all))
	}
}

// kidOf is the kid of a JWT's header.
func kidOf(t testing.TB, raw string) string {
	t.Helper()
	jws, err := jose.Parse(raw, jose.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return jws.Header.KeyID
}

// published are the kids of the JWK Set.
func (k *kit) published() []string {
	k.t.Helper()
	ring, err := k.API.Keys.Ring(k.t.Context(), k.Env)
	if err != nil {
		k.t.Fatal(err)
	}
	var set struct{ Keys []struct{ KID string } }
	if err := json.Unmarshal(ring.JWKS, &set); err != nil {
		k.t.Fatal(err)
	}
	var kids []string
	for _, key := range set.Keys {
		kids = append(kids, key.KID)
	}
	return kids
}

// defaults are the IDs of the keys that are said to sign.
func (k *kit) defaults() []string {
	k.t.Helper()
	var ids []string
	for _, key := range k.as(root).page("/{env}/keys", "keys", 200) {
		if key["default"] == true {
			ids = append(ids, key["id"].(string))
		}
	}
	return ids
}

func TestKeyBecomesTheDefault(t *testing.T) {
	k := newKit(t)
	first := k.mint(k.Env, token.Access{Client: root})
	old := kidOf(t, first)
	id := k.as(root).post("/{env}/keys", goodKey).is(http.StatusCreated).text("id")
	if got := k.published(); !slices.Contains(got, id) {
		t.Errorf("published = %q, want %s among them from its creation on", got, id)
	}
	if got := kidOf(t, k.mint(k.Env, token.Access{Client: root})); got != old {
		t.Errorf("signed by %s before anybody said so", got)
	}

	k.as(root).put("/{env}/keys/"+id, `{"default":true,"usageType":"SIGNING"}`).is(http.StatusOK).has(`{"default":true}`)
	second := k.mint(k.Env, token.Access{Client: root})
	if got := kidOf(t, second); got != id {
		t.Errorf("signed by %s, want the default %s", got, id)
	}
	if got := k.defaults(); len(got) != 1 || got[0] != id {
		t.Errorf("defaults = %q, want %s alone", got, id)
	}
	for name, raw := range map[string]string{"before": first, "after": second} {
		if a := (caller{k, "Bearer " + raw}).get("/{env}/keys"); a.Status != http.StatusOK {
			t.Errorf("a token signed %s is answered %d", name, a.Status)
		}
	}
	const inUse = "The Key must not be in use"
	a := k.as(root).del("/{env}/keys/" + id)
	a.refused(http.StatusBadRequest, "INVALID_DATA", "CONSTRAINT_VIOLATION")
	if !strings.Contains(string(a.Body), inUse) {
		t.Errorf("body = %s, want the text that clients match", a.Body)
	}
	k.as(root).put("/{env}/keys/"+id, `{"default":true,"usageType":"ENCRYPTION"}`).refused(http.StatusBadRequest, "INVALID_DATA", "CONSTRAINT_VIOLATION", "usageType")

	t.Run("it stays until its certificate ends, whatever the period is", func(t *testing.T) {
		k.Clock.Advance(365*24*time.Hour - time.Second)
		if err := k.API.Keys.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := k.defaults(); len(got) != 1 || got[0] != id {
			t.Errorf("defaults = %q, want %s", got, id)
		}
		k.Clock.Advance(time.Second)
		if err := k.API.Keys.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := k.defaults(); len(got) != 1 || got[0] == id {
			t.Errorf("defaults = %q, want the environment's own key", got)
		}
		k.as(root).get("/{env}/keys/" + id).has(`{"status":"EXPIRED","default":false}`)
		k.as(root).put("/{env}/keys/"+id, `{"default":true,"usageType":"SIGNING"}`).refused(http.StatusBadRequest, "INVALID_DATA", "INVALID_VALUE", "default")
	})
	t.Run("and is kept, published, until somebody deletes it", func(t *testing.T) {
		k.Clock.Advance(store.MaxAccessTokenTTL + time.Hour)
		if err := k.API.Keys.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := k.published(); !slices.Contains(got, id) {
			t.Errorf("published = %q, want %s among them", got, id)
		}
		k.as(root).del("/{env}/keys/" + id).is(http.StatusNoContent)
		k.as(root).get("/{env}/keys/"+id).refused(http.StatusNotFound, "NOT_FOUND")
	})
}

func TestDefaultGivesWay(t *testing.T) {
	k := newKit(t)
	id := k.as(root).post("/{env}/keys", changed(t, goodKey, `{"default":true}`)).is(http.StatusCreated).text("id")
	raw := k.mint(k.Env, token.Access{Client: root})
	k.as(root).put("/{env}/keys/"+id, `{"default":false,"usageType":"SIGNING"}`).is(http.StatusOK).has(`{"default":false}`)
	now := kidOf(t, k.mint(k.Env, token.Access{Client: root}))
	if now == id || len(k.defaults()) != 1 || k.defaults()[0] != now {
		t.Errorf("signed by %s, defaults %q, want the environment's own next key", now, k.defaults())
	}
	(caller{k, "Bearer " + raw}).get("/{env}/keys").is(http.StatusOK)

	t.Run("deleted, it verifies nothing any more", func(t *testing.T) {
		k.as(root).del("/{env}/keys/" + id).is(http.StatusNoContent)
		(caller{k, "Bearer " + raw}).get("/{env}/keys").is(http.StatusUnauthorized)
		if slices.Contains(k.published(), id) {
			t.Error("it is published")
		}
	})
	t.Run("the environment's own key does not: some key must sign", func(t *testing.T) {
		k.as(root).put("/{env}/keys/"+now, `{"default":false,"usageType":"SIGNING"}`).refused(http.StatusBadRequest, "INVALID_DATA", "CONSTRAINT_VIOLATION", "default")
	})
	t.Run("its next key may be promoted by hand", func(t *testing.T) {
		next := k.as(root).get("/{env}/keyRotationPolicies").is(http.StatusOK).text("_embedded.keyRotationPolicies.0.nextKeyId")
		k.as(root).put("/{env}/keys/"+next, `{"default":true,"usageType":"SIGNING"}`).is(http.StatusOK).has(`{"default":true}`)
		if got := kidOf(t, k.mint(k.Env, token.Access{Client: root})); got != next {
			t.Errorf("signed by %s, want %s", got, next)
		}
		k.as(root).put("/{env}/keys/"+now, `{"default":true,"usageType":"SIGNING"}`).refused(http.StatusBadRequest, "INVALID_DATA", "CONSTRAINT_VIOLATION", "default")
		k.as(root).put("/{env}/keys/"+next, `{"default":true,"usageType":"ENCRYPTION"}`).refused(http.StatusBadRequest, "INVALID_DATA", "CONSTRAINT_VIOLATION", "usageType")
	})
}

func TestKeyIsUpdated(t *testing.T) {
	k := newKit(t)
	id := k.as(root).post("/{env}/keys", goodKey).is(http.StatusCreated).text("id")
	path := "/{env}/keys/" + id
	tests := []struct {
		name, body   string
		status       int
		code, target string
		shown        string
	}{
		{"nothing new", `{"default":false,"usageType":"SIGNING"}`, 200, "", "", `{"usageType":"SIGNING"}`},
		{"another use", `{"default":false,"usageType":"ENCRYPTION"}`, 200, "", "", `{"usageType":"ENCRYPTION"}`},
		{"default for another use", `{"default":true,"usageType":"ENCRYPTION"}`, 400, "INVALID_VALUE", "default", ""},
		{"issuer", `{"default":false,"usageType":"SIGNING","issuerDN":"CN=X"}`, 200, "", "", `{"usageType":"SIGNING","issuerDN":"CN=X"}`},
		{"issuer cleared", `{"default":false,"usageType":"SIGNING"}`, 200, "", "", `{"issuerDN":"CN=Signer,O=Example,C=GB"}`},
		{"issuer that is none", `{"default":false,"usageType":"SIGNING","issuerDN":"X"}`, 400, "INVALID_VALUE", "issuerDN", ""},
		{"no default", `{"usageType":"SIGNING"}`, 400, "REQUIRED_VALUE", "default", ""},
		{"no usage", `{"default":false}`, 400, "REQUIRED_VALUE", "usageType", ""},
		{"unknown usage", `{"default":false,"usageType":"X"}`, 400, "INVALID_VALUE", "usageType", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := k.as(root).put(path, tt.body)
			if tt.status != http.StatusOK {
				a.refused(tt.status, "INVALID_DATA", tt.code, tt.target)
				return
			}
			a.is(http.StatusOK).has(tt.shown)
			k.as(root).get(path).has(tt.shown)
			if got, want := slices.Contains(k.published(), id), a.text("usageType") == "SIGNING"; got != want {
				t.Errorf("published = %v, want %v", got, want)
			}
		})
	}
	k.as(root).put("/{env}/keys/"+nothing, `{"default":false,"usageType":"SIGNING"}`).refused(http.StatusNotFound, "NOT_FOUND")
	k.as(root).del("/{env}/keys/"+nothing).refused(http.StatusNotFound, "NOT_FOUND")
	k.as(root).get("/{env}/keys/"+nothing).refused(http.StatusNotFound, "NOT_FOUND")
}

func TestKeyPrecondition(t *testing.T) {
	k := newKit(t)
	a := k.as(root).post("/{env}/keys", goodKey).is(http.StatusCreated)
	path, tag := "/{env}/keys/"+a.text("id"), a.Header.Get("ETag")
	b := k.as(root).put(path, `{"default":false,"usageType":"SIGNING"}`, "If-Match", tag).is(http.StatusOK)
	k.as(root).put(path, `{"default":false,"usageType":"SIGNING"}`, "If-Match", tag).is(http.StatusPreconditionFailed)
	k.as(root).del(path, "If-Match", tag).is(http.StatusPreconditionFailed)
	k.as(root).del(path, "If-Match", b.Header.Get("ETag")).is(http.StatusNoContent)
}

func TestKeyIsReadInOtherForms(t *testing.T) {
	k := newKit(t)
	path := "/{env}/keys/" + k.as(root).post("/{env}/keys", goodKey).is(http.StatusCreated).text("id")
	tests := []struct{ accept, want string }{
		{"", "application/json"},
		{"*/*", "application/json"},
		{"application/json", "application/json"},
		{"application/x-x509-ca-cert", "application/x-x509-ca-cert"},
		{"application/x-pkcs7-certificates", "application/x-pkcs7-certificates"},
		{"application/json;q=0.5, application/x-pkcs7-certificates", "application/x-pkcs7-certificates"},
		{"application/json, application/x-x509-ca-cert, application/x-pkcs7-certificates", "application/json"},
		{"*/*;q=0.1, application/x-x509-ca-cert;q=0.2, application/json;q=0", "application/x-x509-ca-cert"},
		{"application/*", "application/json"},
		{"text/html", ""},
		{"application/json;q=0", ""},
	}
	for _, tt := range tests {
		t.Run(tt.accept, func(t *testing.T) {
			header := []string{"Accept", tt.accept}
			if tt.accept == "" {
				header = nil
			}
			a := k.as(root).get(path, header...)
			if tt.want == "" {
				a.refused(http.StatusNotAcceptable, "INVALID_REQUEST")
				return
			}
			if got := a.is(http.StatusOK).Header.Get("Content-Type"); got != tt.want {
				t.Errorf("Content-Type = %q, want %q", got, tt.want)
			}
		})
	}
	der := k.as(root).get(path, "Accept", "application/x-pkcs7-certificates").Body
	signed, err := pkcs7.Parse(der)
	if err != nil || len(signed.Certificates) != 1 || signed.Certificates[0].Subject.CommonName != "Signer" {
		t.Errorf("PKCS #7: %v, %v", signed, err)
	}
}

// pfx makes a PKCS #12 file.
func pfx(t testing.TB, key any, cert *x509.Certificate, others ...*x509.Certificate) []byte {
	t.Helper()
	file, err := pkcs12.Modern.Encode(key, cert, others, "pass")
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// form makes a multipart body; the part "file" is a file.
func form(t testing.TB, parts ...string) (body, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i+1 < len(parts); i += 2 {
		var err error
		if parts[i] == "file" {
			part, e := w.CreateFormFile("file", "file")
			if err = e; err == nil {
				_, err = part.Write([]byte(parts[i+1]))
			}
		} else {
			err = w.WriteField(parts[i], parts[i+1])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String(), w.FormDataContentType()
}

// authority is a CA of the tests.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Root"}, NotBefore: noon.AddDate(-1, 0, 0), NotAfter: noon.AddDate(10, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{key, cert}
}

// sign makes a certificate of a public key.
func (a *authority) sign(t testing.TB, public any, name string, from, until time.Time) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(77), Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: until,
	}, a.cert, public, a.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestKeyIsImported(t *testing.T) {
	k, ca := newKit(t), newAuthority(t)
	p256, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	other, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p224, _ := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	small, _ := rsa.GenerateKey(rand.Reader, 2048+8)
	large, _ := rsa.GenerateKey(rand.Reader, 2048)
	year := noon.AddDate(1, 0, 0)
	good := pfx(t, p256, ca.sign(t, p256.Public(), "Mine", noon, year), ca.cert)
	slow, err := pkcs12.Modern.WithIterations(2_000_001).Encode(p256, ca.sign(t, p256.Public(), "Mine", noon, year), nil, "pass")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name         string
		parts        []string
		code, target string // "" is accepted
		shown        string
	}{
		{"signing", []string{"file", string(good), "usageType", "SIGNING", "password", "pass"}, "", "",
			`{"name":"Mine","subjectDN":"CN=Mine","issuerDN":"CN=Root","algorithm":"EC","keyLength":256,"signatureAlgorithm":"SHA256withECDSA","usageType":"SIGNING","serialNumber":77,"default":false}`},
		{"RSA", []string{"file", string(pfx(t, large, ca.sign(t, large.Public(), "R", noon, year))), "usageType", "SSL/TLS", "password", "pass"}, "", "",
			`{"algorithm":"RSA","keyLength":2048,"signatureAlgorithm":"SHA256withRSA","usageType":"SSL/TLS"}`},
		{"EC 224 for another use", []string{"file", string(pfx(t, p224, ca.sign(t, p224.Public(), "P", noon, year))), "usageType", "ENCRYPTION", "password", "pass"}, "", "", `{"keyLength":224}`},
		{"not good yet", []string{"file", string(pfx(t, p256, ca.sign(t, p256.Public(), "P", noon.Add(time.Hour), year))), "usageType", "SIGNING", "password", "pass"}, "", "", `{"status":"NOT_YET_VALID"}`},
		{"with the certificate of another beside it", []string{"file", string(pfx(t, p256, ca.sign(t, p256.Public(), "P", noon, year), ca.sign(t, other.Public(), "O", noon, year))), "usageType", "SIGNING", "password", "pass"}, "", "", `{"subjectDN":"CN=P"}`},

		{"wrong password", []string{"file", string(good), "usageType", "SIGNING", "password", "Pass"}, "INVALID_VALUE", "file", ""},
		{"no password", []string{"file", string(good), "usageType", "SIGNING"}, "INVALID_VALUE", "file", ""},
		{"no file", []string{"usageType", "SIGNING"}, "REQUIRED_VALUE", "file", ""},
		{"no use", []string{"file", string(good), "password", "pass"}, "REQUIRED_VALUE", "usageType", ""},
		{"unknown use", []string{"file", string(good), "usageType", "X", "password", "pass"}, "INVALID_VALUE", "usageType", ""},
		{"nonsense", []string{"file", "nonsense", "usageType", "SIGNING"}, "INVALID_VALUE", "file", ""},
		{"cut off", []string{"file", string(good[:len(good)-1]), "usageType", "SIGNING", "password", "pass"}, "INVALID_VALUE", "file", ""},
		{"too large", []string{"file", strings.Repeat("x", 256<<10+1), "usageType", "SIGNING"}, "SIZE_LIMIT_EXCEEDED", "file", ""},
		{"certificate of another key", []string{"file", string(pfx(t, p256, ca.sign(t, other.Public(), "O", noon, year))), "usageType", "SIGNING", "password", "pass"}, "INVALID_VALUE", "file", ""},
		{"expired", []string{"file", string(pfx(t, p256, ca.sign(t, p256.Public(), "P", noon.AddDate(-1, 0, 0), noon))), "usageType", "SIGNING", "password", "pass"}, "INVALID_VALUE", "file", ""},
		{"RSA of an odd size", []string{"file", string(pfx(t, small, ca.sign(t, small.Public(), "R", noon, year))), "usageType", "SIGNING", "password", "pass"}, "INVALID_VALUE", "file", ""},
		{"EC 224 signs no token", []string{"file", string(pfx(t, p224, ca.sign(t, p224.Public(), "P", noon, year))), "usageType", "SIGNING", "password", "pass"}, "INVALID_VALUE", "usageType", ""},
		{"hashing for hours", []string{"file", string(slow), "usageType", "SIGNING", "password", "pass"}, "OUT_OF_RANGE", "file", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body, kind := form(t, tt.parts...)
			a := k.as(root).post("/{env}/keys", body, "Content-Type", kind)
			if tt.code != "" {
				a.refused(http.StatusBadRequest, "INVALID_DATA", tt.code, tt.target)
				return
			}
			a.is(http.StatusCreated).has(tt.shown)
			k.as(root).get("/{env}/keys/" + a.text("id")).is(http.StatusOK).has(tt.shown)
		})
	}
	t.Run("a part twice", func(t *testing.T) {
		body, kind := form(t, "file", string(good), "usageType", "SIGNING", "usageType", "SIGNING", "password", "pass")
		k.as(root).post("/{env}/keys", body, "Content-Type", kind).refused(http.StatusBadRequest, "INVALID_REQUEST")
	})
	t.Run("the chain is published", func(t *testing.T) {
		body, kind := form(t, "file", string(good), "usageType", "SIGNING", "password", "pass")
		id := k.as(root).post("/{env}/keys", body, "Content-Type", kind).is(http.StatusCreated).text("id")
		a := k.as(root).get("/{env}/keys/"+id, "Accept", "application/x-x509-ca-cert").is(http.StatusOK)
		if n := bytes.Count(a.Body, []byte("BEGIN CERTIFICATE")); n != 2 {
			t.Errorf("%d certificates, want the key's and the root", n)
		}
		k.as(root).put("/{env}/keys/"+id, `{"default":true,"usageType":"SIGNING"}`).is(http.StatusOK)
		if got := kidOf(t, k.mint(k.Env, token.Access{Client: root})); got != id {
			t.Errorf("signed by %s, want %s", got, id)
		}
	})
}

// TestImportedKeyIsNoWayUp: who knows a key that may sign can be anyone, so nobody brings one along who has less than
// everybody.
func TestImportedKeyIsNoWayUp(t *testing.T) {
	k, ca := newKit(t), newAuthority(t)
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	file := string(pfx(t, key, ca.sign(t, key.Public(), "Mine", noon, noon.AddDate(1, 0, 0))))
	upload := func(who, usage string) *answer {
		body, kind := form(t, "file", file, "usageType", usage, "password", "pass")
		return k.as(who).post("/{env}/keys", body, "Content-Type", kind)
	}
	for _, who := range []string{developer, environmentAdmin, organizationAdmin} {
		upload(who, "SIGNING").refused(http.StatusForbidden, "ACCESS_FAILED")
		id := upload(who, "SSL/TLS").is(http.StatusCreated).text("id")
		k.as(who).put("/{env}/keys/"+id, `{"default":false,"usageType":"SIGNING"}`).refused(http.StatusForbidden, "ACCESS_FAILED")
		k.as(who).put("/{env}/keys/"+id, `{"default":false,"usageType":"ENCRYPTION"}`).is(http.StatusOK)
		k.as(root).put("/{env}/keys/"+id, `{"default":false,"usageType":"SIGNING"}`).is(http.StatusOK)
	}
	upload(root, "SIGNING").is(http.StatusCreated)
	t.Run("a key that nobody knows may sign", func(t *testing.T) {
		k.as(developer).post("/{env}/keys", goodKey).is(http.StatusCreated)
		id := k.as(developer).post("/{env}/keys", changed(t, goodKey, `{"usageType":"SSL/TLS"}`)).is(http.StatusCreated).text("id")
		k.as(developer).put("/{env}/keys/"+id, `{"default":false,"usageType":"SIGNING"}`).is(http.StatusOK)
	})
}

func TestCertificateRequest(t *testing.T) {
	k, ca := newKit(t), newAuthority(t)
	for _, tt := range []struct{ name, changes string }{
		{"EC", `{}`},
		{"RSA", `{"algorithm":"RSA","keyLength":2048,"signatureAlgorithm":"SHA512withRSA","usageType":"SSL/TLS"}`},
		{"EC 224", `{"keyLength":224,"usageType":"ENCRYPTION"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			id := k.as(root).post("/{env}/keys", changed(t, goodKey, tt.changes)).is(http.StatusCreated).text("id")
			path := "/{env}/keys/" + id + "/csr"
			a := k.as(root).get(path).is(http.StatusOK)
			if got := a.Header.Get("Content-Type"); got != "application/x-pem-file" {
				t.Errorf("Content-Type = %q", got)
			}
			block, _ := pem.Decode(a.Body)
			if block == nil || block.Type != "CERTIFICATE REQUEST" {
				t.Fatalf("body = %s, want a request as PEM", a.Body)
			}
			der := k.as(root).get(path, "Accept", "application/pkcs10").is(http.StatusOK)
			if got := der.Header.Get("Content-Type"); got != "application/pkcs10" {
				t.Errorf("Content-Type = %q", got)
			}
			request, err := x509.ParseCertificateRequest(der.Body)
			if err != nil || request.CheckSignature() != nil || request.Subject.String() != "CN=Signer,O=Example,C=GB" {
				t.Fatalf("request of %v: %v, %v", request.Subject, err, request.CheckSignature())
			}
			cert := ca.sign(t, request.PublicKey, "Signer", noon, noon.AddDate(2, 0, 0))
			chain := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
			chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw})...)
			bundle, err := pkcs7.DegenerateCertificate(append(slices.Clone(ca.cert.Raw), cert.Raw...))
			if err != nil {
				t.Fatal(err)
			}
			for encoding, file := range map[string][]byte{
				"PEM": chain, "DER": cert.Raw, "PKCS #7": bundle, "PKCS #7 as PEM": pem.EncodeToMemory(&pem.Block{Type: "PKCS7", Bytes: bundle}),
			} {
				body, kind := form(t, "file", string(file))
				for _, method := range []string{"POST", "PUT"} {
					c := k.as(root).do(method, path, body, "Content-Type", kind).is(http.StatusOK)
					c.has(`{"issuerDN":"CN=Root","subjectDN":"CN=Signer","serialNumber":77,"validityPeriod":731}`)
					if c.text("id") != id || c.text("updatedAt") == "" {
						t.Errorf("%s: id, updatedAt = %q, %q", encoding, c.text("id"), c.text("updatedAt"))
					}
				}
				if got := certificateOf(t, k, id); !got.Equal(cert) {
					t.Errorf("%s: the certificate is not the imported one", encoding)
				}
			}
		})
	}
}

func TestCertificateIsRefused(t *testing.T) {
	k, ca := newKit(t), newAuthority(t)
	id := k.as(root).post("/{env}/keys", goodKey).is(http.StatusCreated).text("id")
	path := "/{env}/keys/" + id + "/csr"
	request, err := x509.ParseCertificateRequest(k.as(root).get(path, "Accept", "application/pkcs10").Body)
	if err != nil {
		t.Fatal(err)
	}
	other, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	good := ca.sign(t, request.PublicKey, "Signer", noon, noon.AddDate(1, 0, 0))
	for _, tt := range []struct{ name, file, code string }{
		{"nothing", "", "REQUIRED_VALUE"},
		{"nonsense", "nonsense", "INVALID_VALUE"},
		{"another key's", string(ca.sign(t, other.Public(), "Signer", noon, noon.AddDate(1, 0, 0)).Raw), "INVALID_VALUE"},
		{"expired", string(ca.sign(t, request.PublicKey, "Signer", noon.AddDate(-1, 0, 0), noon).Raw), "INVALID_VALUE"},
		{"a request", string(request.Raw), "INVALID_VALUE"},
		{"too many", strings.Repeat(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: good.Raw})), 11), "SIZE_LIMIT_EXCEEDED"},
		{"too large", strings.Repeat("x", 64<<10+1), "SIZE_LIMIT_EXCEEDED"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			body, kind := form(t, "file", tt.file)
			k.as(root).post(path, body, "Content-Type", kind).refused(http.StatusBadRequest, "INVALID_DATA", tt.code, "file")
		})
	}
	t.Run("keys of rotations have none", func(t *testing.T) {
		own := k.defaults()[0]
		k.as(root).get("/{env}/keys/"+own+"/csr").refused(http.StatusBadRequest, "INVALID_DATA", "CONSTRAINT_VIOLATION")
		body, kind := form(t, "file", string(good.Raw))
		k.as(root).post("/{env}/keys/"+own+"/csr", body, "Content-Type", kind).refused(http.StatusBadRequest, "INVALID_DATA", "CONSTRAINT_VIOLATION")
	})
	k.as(root).get("/{env}/keys/"+nothing+"/csr").refused(http.StatusNotFound, "NOT_FOUND")
	k.as(root).get(path, "Accept", "text/html").refused(http.StatusNotAcceptable, "INVALID_REQUEST")
}

// TestPrivateKeysStayHere: not in an answer, a log line or a line of the audit log.
func TestPrivateKeysStayHere(t *testing.T) {
	k, ca := newKit(t), newAuthority(t)
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	file := pfx(t, key, ca.sign(t, key.Public(), "Mine", noon, noon.AddDate(1, 0, 0)))
	body, kind := form(t, "file", string(file), "usageType", "SIGNING", "password", "pass")
	var said bytes.Buffer
	made := k.as(root).post("/{env}/keys", body, "Content-Type", kind).is(http.StatusCreated)
	drawn := k.as(root).post("/{env}/keys", goodKey).is(http.StatusCreated)
	said.Write(made.Body)
	said.Write(drawn.Body)
	for _, id := range []string{made.text("id"), drawn.text("id")} {
		path := "/{env}/keys/" + id
		said.Write(k.as(root).put(path, `{"default":true,"usageType":"SIGNING"}`).is(http.StatusOK).Body)
		for _, accept := range []string{"application/json", "application/x-x509-ca-cert"} {
			said.Write(k.as(root).get(path, "Accept", accept).Body)
		}
		said.Write(k.as(root).get(path + "/csr").Body)
	}
	k.as(root).del("/{env}/keys/" + drawn.text("id")).is(http.StatusBadRequest)
	k.as(root).put("/{env}/keys/"+made.text("id"), `{"default":true,"usageType":"SIGNING"}`).is(http.StatusOK)
	k.as(root).del("/{env}/keys/" + drawn.text("id")).is(http.StatusNoContent)
	said.Write(k.as(root).get("/{env}/keys").Body)
	said.WriteString(k.Log.String())

	events, err := k.Store.ListEvents(t.Context(), store.EventFilter{Environment: home}, "", 100, k.Clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	var actions []string
	for _, e := range slices.Backward(events) {
		actions = append(actions, e.Action)
		said.Write(e.Before)
		said.Write(e.After)
		if e.Kind != store.KindKey || e.Client != root || e.Object == "" || e.Name == "" {
			t.Errorf("event = %+v, want who did what", e)
		}
		created, deleted := strings.HasSuffix(e.Action, "CREATED") || strings.HasSuffix(e.Action, "IMPORTED"), strings.HasSuffix(e.Action, "DELETED")
		if (e.Before == nil) != created || (e.After == nil) != deleted {
			t.Errorf("%s: before = %s, after = %s", e.Action, e.Before, e.After)
		}
	}
	if got, want := strings.Join(actions, " "), "KEY.IMPORTED KEY.CREATED KEY.UPDATED KEY.UPDATED KEY.UPDATED KEY.DELETED"; got != want {
		t.Errorf("actions = %q, want %q", got, want)
	}
	secret := key.D.Bytes()
	for name, bad := range map[string]string{
		"PEM": "PRIVATE KEY", "JWK member": `"d":`, "sealed": `"sealed"`, "scalar": string(secret), "scalar in hexadecimal": fmt.Sprintf("%x", secret),
	} {
		if strings.Contains(said.String(), bad) {
			t.Errorf("%s: a private key was told", name)
		}
	}
	if regexp.MustCompile(`(?i)password"?[:=]\s*"?pass\b`).MatchString(said.String()) {
		t.Error("the password of the file was told")
	}
}

func TestKeyApplications(t *testing.T) {
	k := newKit(t)
	policy := k.as(root).post("/{env}/keyRotationPolicies", goodPolicy).is(http.StatusCreated)
	app := k.as(root).post("/{env}/applications", changed(t, policyApplication, `{"signing":{"keyRotationPolicy":{"id":"`+policy.text("id")+`"}}}`)).is(http.StatusCreated).text("id")
	names := func(key string) []string {
		var ids []string
		for _, a := range k.as(root).page("/{env}/keys/"+key+"/applications", "applications", 200) {
			ids = append(ids, a["id"].(string))
		}
		return ids
	}
	if got := names(policy.text("currentKeyId")); len(got) != 1 || got[0] != app {
		t.Errorf("applications of the policy's key = %q, want %s", got, app)
	}
	if got := names(policy.text("nextKeyId")); len(got) != 0 {
		t.Errorf("applications of a NEXT key = %q, want none", got)
	}
	if got := names(k.defaults()[0]); slices.Contains(got, app) || !slices.Contains(got, root) {
		t.Errorf("applications of the environment's key = %q, want the others", got)
	}
	k.as(root).get("/{env}/keys/"+nothing+"/applications").refused(http.StatusNotFound, "NOT_FOUND")
	own := k.as(root).post("/{env}/keys", goodKey).is(http.StatusCreated).text("id")
	if got := names(own); len(got) != 0 {
		t.Errorf("applications of an unused key = %q, want none", got)
	}
	t.Run("one that names a key uses it", func(t *testing.T) {
		id := k.as(root).post("/{env}/applications", changed(t, policyApplication, `{"name":"Kerberos","kerberos":{"key":{"id":"`+own+`"}}}`)).is(http.StatusCreated).text("id")
		if got := names(own); len(got) != 1 || got[0] != id {
			t.Errorf("applications = %q, want %s", got, id)
		}
		a := k.as(root).del("/{env}/keys/" + own)
		a.refused(http.StatusBadRequest, "INVALID_DATA", "CONSTRAINT_VIOLATION")
		k.as(root).del("/{env}/applications/" + id).is(http.StatusNoContent)
		k.as(root).del("/{env}/keys/" + own).is(http.StatusNoContent)
	})
}

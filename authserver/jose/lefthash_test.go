package jose_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

func TestLeftHash(t *testing.T) {
	const (
		accessToken = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"
		code        = "Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk"
	)
	tests := []struct {
		name, alg, value, want string // want "" is an error
	}{
		{"at_hash of OIDC Core A.3", jose.RS256, accessToken, "77QmUPtjPfzWtF2AnpK9RQ"},
		{"c_hash of OIDC Core A.4", jose.RS256, code, "LDktKdoQak3Pk0cnXxCltA"},
		{"ES256 hashes alike", jose.ES256, accessToken, "77QmUPtjPfzWtF2AnpK9RQ"},
		{"PS256 too", jose.PS256, accessToken, "77QmUPtjPfzWtF2AnpK9RQ"},
		{"half of SHA-384", jose.ES384, accessToken, "jtAeDp945y1dDqU3nkIVGNZP1HjH_MFs"},
		{"half of SHA-512", jose.RS512, accessToken, "q7nS86GgvvFaZkzALLWqJYaJIKw2wCDAVfCAsm5CrBM"},
		{"Ed25519 is SHA-512", jose.EdDSA, accessToken, "q7nS86GgvvFaZkzALLWqJYaJIKw2wCDAVfCAsm5CrBM"},
		{"unknown algorithm", "none", accessToken, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := jose.LeftHash(tt.alg, tt.value)
			if got != tt.want || (err != nil) != (tt.want == "") {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
		})
	}
}

func TestSignTraced(t *testing.T) {
	key, err := jose.GenerateSigningKey(jose.ES256, 0)
	if err != nil {
		t.Fatal(err)
	}
	der, err := key.Certificate(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	certified := key.Certified(der)
	tests := []struct {
		name string
		key  *jose.SigningKey
		sign func(*jose.SigningKey) (string, error)
		want string // x5t
	}{
		{"with a certificate", certified, func(k *jose.SigningKey) (string, error) { return k.SignTraced("JWT", []byte("{}")) }, jose.X5T(der)},
		{"not asked for", certified, func(k *jose.SigningKey) (string, error) { return k.Sign("JWT", []byte("{}")) }, ""},
		{"without a certificate", key, func(k *jose.SigningKey) (string, error) { return k.SignTraced("JWT", []byte("{}")) }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			raw, err := tt.sign(tt.key)
			if err != nil {
				t.Fatal(err)
			}
			head := decodedHeader(t, raw)
			if got, _ := head["x5t"].(string); got != tt.want || head["kid"] != key.ID() || head["typ"] != "JWT" || head["alg"] != jose.ES256 {
				t.Errorf("header = %v, want x5t %q", head, tt.want)
			}
			jws, err := jose.Parse(raw, jose.Limits{})
			if err != nil || jws.Verify(key.Public()) != nil {
				t.Errorf("it does not verify: %v", err)
			}
		})
	}
}

func decodedHeader(t *testing.T, raw string) map[string]any {
	t.Helper()
	head, _, _ := strings.Cut(raw, ".")
	b, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

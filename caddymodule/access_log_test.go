package caddymodule_test

import (
	"testing"

	"github.com/caddy-gatehouse/gatehouse/caddymodule"
)

func TestHide(t *testing.T) {
	for _, tt := range []struct {
		name, address, want string
	}{
		{"no query", "/as/jwks", "/as/jwks"},
		{"nothing confidential", "/as/authorize?client_id=web&state=a%20b&nonce=", "/as/authorize?client_id=web&state=a%20b&nonce="},
		{"a name that only ends like one", "/cb?barcode=1&xcode=2", "/cb?barcode=1&xcode=2"},
		{"a code", "https://app.example/cb?x=1&code=Ab-9_&state=s", "https://app.example/cb?x=1&code=REDACTED&state=s"},
		{"a code first and last", "https://app.example/cb?code=Ab", "https://app.example/cb?code=REDACTED"},
		{"tokens in a fragment", "https://app.example/cb?x=1#access_token=a.b.c&token_type=Bearer&id_token=d.e.f", "https://app.example/cb?x=1#access_token=REDACTED&token_type=Bearer&id_token=REDACTED"},
		{"a hint in a request", "/as/signoff?id_token_hint=a.b.c&client_id=web", "/as/signoff?id_token_hint=REDACTED&client_id=web"},
		{"a request object", "/as/authorize?client_id=web&request=a.b.c", "/as/authorize?client_id=web&request=REDACTED"},
		{"a reference to one", "/as/authorize?client_id=web&request_uri=urn%3Ax", "/as/authorize?client_id=web&request_uri=urn%3Ax"},
		{"twice", "/as/signoff?id_token_hint=a&id_token_hint=b", "/as/signoff?id_token_hint=REDACTED&id_token_hint=REDACTED"},
		{"a name written otherwise", "/as/signoff?%69d_token_hint=a&ID_Token_Hint=b", "/as/signoff?%69d_token_hint=REDACTED&ID_Token_Hint=REDACTED"},
		{"a name that cannot be read", "/as/signoff?%zz=a", "/as/signoff?%zz=REDACTED"},
		{"an address in an address", "/as/signoff?post_logout_redirect_uri=https://app.example/?code=1&x=2", "/as/signoff?post_logout_redirect_uri=https://app.example/?code=REDACTED&x=2"},
		{"no value", "/cb?code", "/cb?code"},
		{"empty", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, hidden := caddymodule.Hide(tt.address)
			if got != tt.want || hidden != (tt.want != tt.address) {
				t.Errorf("Hide(%q) = %q, %v, want %q", tt.address, got, hidden, tt.want)
			}
		})
	}
}

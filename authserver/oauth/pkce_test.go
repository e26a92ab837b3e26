package oauth_test

import (
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// RFC 7636 Appendix B.
const (
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

// code is the error code of err; "" for none.
func code(err error) string {
	if err == nil {
		return ""
	}
	return oauth.From(err).Code
}

func TestVerifyPKCE(t *testing.T) {
	long := strings.Repeat("a", 128)
	tests := []struct {
		name                        string
		method, challenge, verifier string
		want                        string // error code; empty means accepted
	}{
		{"appendix B", "S256", challenge, verifier, ""},
		{"challenge sent as verifier", "S256", challenge, challenge, "invalid_grant"},
		{"another verifier", "S256", challenge, strings.Replace(verifier, "d", "e", 1), "invalid_grant"},
		{"the verifier is missing", "S256", challenge, "", "invalid_grant"},
		{"plain", "plain", verifier, verifier, ""},
		{"plain, another verifier", "plain", verifier, challenge, "invalid_grant"},
		{"plain does not hash", "plain", challenge, verifier, "invalid_grant"},
		{"42 characters", "S256", oauth.S256(verifier[:42]), verifier[:42], "invalid_request"},
		{"128 characters", "S256", oauth.S256(long), long, ""},
		{"129 characters", "S256", oauth.S256(long + "a"), long + "a", "invalid_request"},
		{"a reserved character", "S256", oauth.S256(verifier[:42] + "+"), verifier[:42] + "+", "invalid_request"},
		{"neither is PKCE not used", "", "", "", ""},
		{"a verifier without a challenge: it was taken away", "", "", verifier, "invalid_grant"},
		{"a method without a challenge", "S256", "", verifier, "invalid_grant"},
		{"a method without either", "S256", "", "", "invalid_grant"},
		{"an unknown method", "S512", challenge, verifier, "invalid_grant"},
		{"no method", "", challenge, challenge, "invalid_grant"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := oauth.VerifyPKCE(tt.method, tt.challenge, tt.verifier)
			if got := code(err); got != tt.want {
				t.Errorf("error code = %q, want %q (%v)", got, tt.want, err)
			}
		})
	}
}

func TestCheckCodeChallenge(t *testing.T) {
	tests := []struct {
		name, challenge, method string
		want                    string // the method
		bad                     bool
	}{
		{"S256", challenge, "S256", "S256", false},
		{"plain", verifier, "plain", "plain", false},
		{"no method means plain (RFC 7636 §4.3)", verifier, "", "plain", false},
		{"none", "", "", "", false},
		{"a method alone", "", "S256", "", true},
		{"an unknown method", challenge, "S512", "", true},
		{"methods have one spelling", challenge, "s256", "", true},
		{"plain of 42 characters", verifier[:42], "plain", "", true},
		{"plain of 128 characters", strings.Repeat("~", 128), "plain", "plain", false},
		{"plain of 129 characters", strings.Repeat("~", 129), "plain", "", true},
		{"S256 of 42 characters", challenge[:42], "S256", "", true},
		{"S256 of 44 characters", challenge + "A", "S256", "", true},
		{"S256 with padding", challenge + "=", "S256", "", true},
		{"S256 in base64", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM", "S256", "", true},
		{"S256 with trailing bits", challenge[:42] + "N", "S256", "", true},
		{"S256 with a line break", challenge[:42] + "\nM", "S256", "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := oauth.CheckCodeChallenge(tt.challenge, tt.method)
			if got != tt.want || (err != nil) != tt.bad {
				t.Errorf("got %q, %v, want %q and an error: %v", got, err, tt.want, tt.bad)
			}
			if err != nil && code(err) != oauth.CodeInvalidRequest {
				t.Errorf("error code = %q, want invalid_request", code(err))
			}
		})
	}
}

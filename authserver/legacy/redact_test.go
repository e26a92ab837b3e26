package legacy_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/legacy"
)

// A token of each kind, or what has its form.
const (
	anSSOToken = "AQIC5wM2LY4Sfcxs1h9Zq3tJbR7kPd0vNw8uXyGmBcE*AAJTUgAGL2FscGhh*"
	aRefresh   = "AQIC5wM2LY4Sfcxs1h9Zq3tJbR7kPd0vNw8uXyGmBcE"
	aJWT       = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSIsImV4cCI6MTc4MDAwMDAwMH0.c2lnbmF0dXJlLXNpZ25hdHVyZQ"
)

// TestRedact: section 11, attack rows 126 and 129: no token of an address reaches a log.
func TestRedact(t *testing.T) {
	tests := []struct {
		name, address, want string // want "" is the address as it was
	}{
		// What is hidden.
		{"5.2/the token", "/am/frrest/oauth2/token/" + aRefresh, "/am/frrest/oauth2/token/REDACTED"},
		{"5.2/a JWT", "/am/frrest/oauth2/token/" + aJWT, "/am/frrest/oauth2/token/REDACTED"},
		{"5.2/a short one", "/am/frrest/oauth2/token/abc", "/am/frrest/oauth2/token/REDACTED"},
		{"5.2/with a query", "/am/frrest/oauth2/token/abc?_fields=scope", "/am/frrest/oauth2/token/REDACTED?_fields=scope"},
		{"5.2/a whole URL", "https://login.example.com/am/frrest/oauth2/token/abc", "https://login.example.com/am/frrest/oauth2/token/REDACTED"},
		{"5.2/a slash within", "/am/frrest/oauth2/token/abc/def", "/am/frrest/oauth2/token/REDACTED/REDACTED"},
		{"5.2/an escaped slash within", "/am/frrest/oauth2/token/abc%2Fdef", "/am/frrest/oauth2/token/REDACTED/REDACTED"},
		{"3.4/in the path of old versions", "/am/json/sessions/" + anSSOToken + "?_action=logout", "/am/json/sessions/REDACTED?_action=logout"},
		{"3.4/below a realm", "/am/json/realms/root/realms/alpha/sessions/abc", "/am/json/realms/root/realms/alpha/sessions/REDACTED"},
		{"3/as the oldest clients call it", "/am/identity/json/logout?subjectid=" + anSSOToken, "/am/identity/json/logout?subjectid=REDACTED"},
		{"3.4/in the query of old versions", "/am/json/sessions?_action=validate&tokenId=" + anSSOToken, "/am/json/sessions?_action=validate&tokenId=REDACTED"},
		{"6/in the query", "/am/oauth2/alpha/tokeninfo?access_token=" + aJWT, "/am/oauth2/alpha/tokeninfo?access_token=REDACTED"},
		{"6/in the query, in another case and escaped", "/am/oauth2/tokeninfo?ACCESS%5Ftoken=abc", "/am/oauth2/tokeninfo?ACCESS%5Ftoken=REDACTED"},
		{"6/in the path", "/am/oauth2/alpha/tokeninfo/" + aRefresh, "/am/oauth2/alpha/tokeninfo/REDACTED"},
		{"5.3/a query that may name one", "/am/frrest/oauth2/token/?_queryId=id%3D" + aRefresh, "/am/frrest/oauth2/token/?_queryId=REDACTED"},
		{"a reference to a request", "/am/oauth2/authorize?request_uri=urn%3Ax", "/am/oauth2/authorize?request_uri=REDACTED"},
		{"authId in the query", "/am/json/authenticate?authId=" + aJWT, "/am/json/authenticate?authId=REDACTED"},
		{"a fragment", "/am/oauth2/authorize#access_token=" + aJWT, "/am/oauth2/authorize#REDACTED"},

		// Near misses.
		{"another case", "/AM/FRREST/OAuth2/Token/abc", "/AM/FRREST/OAuth2/Token/REDACTED"},
		{"two slashes", "//am//frrest/oauth2//token//abc", "//am//frrest/oauth2//token//REDACTED"},
		{"backslashes", `/am\frrest\oauth2\token\abc`, "/am/frrest/oauth2/token/REDACTED"},
		{"escaped", "/%61m/frrest/oauth2/%74oken/abc", "/am/frrest/oauth2/token/REDACTED"},
		{"escaped twice", "/am/frrest/oauth2/%2574oken/abc", "/am/frrest/oauth2/token/REDACTED"},
		{"escaped slashes", "/am%2Ffrrest%2foauth2%252Ftoken%25252fabc", "/am/frrest/oauth2/token/REDACTED"},
		{"escaped digits of an escape", "/am/frrest/oauth2/token%2%352fabc", "/am/frrest/oauth2/REDACTED"},
		{"a malformed escape", "/am/frrest/oauth2/tok%zzen/abc", "/am/frrest/oauth2/REDACTED/REDACTED"},
		{"a parameter of a segment", "/am/frrest/oauth2/token;" + aRefresh, "/am/frrest/oauth2/token;REDACTED"},
		{"dots", "/x/../am/frrest/./oauth2/token/abc", "/x/../am/frrest/./oauth2/token/REDACTED"},
		{"a word short", "/am/frrest/token/abc", "/am/frrest/token/REDACTED"},
		{"a letter long", "/am/frrest/oauth2/tokens/abc", "/am/frrest/oauth2/REDACTED/REDACTED"},
		{"no tree", "/am/oauth2/token/abc", "/am/oauth2/token/REDACTED"},
		{"below something else", "/sso/am/frrest/oauth2/token/abc", "/sso/am/frrest/oauth2/token/REDACTED"},
		{"no token's place, but as long as one", "/am/" + aRefresh, "/am/REDACTED"},
		{"a letter that folds to one", "/am/json/\u017fe\u017f\u017fions/abc", "/am/json/\u017fe\u017f\u017fions/REDACTED"},

		// What is not.
		{"good: the collection", "/am/frrest/oauth2/token", ""},
		{"good: the collection with a slash", "/am/frrest/oauth2/token/?_fields=scope", ""},
		{"good: revocation", "/am/oauth2/realms/root/realms/alpha/token/revoke", ""},
		{"good: discovery", "/am/oauth2/realms/root/realms/alpha/.well-known/openid-configuration", ""},
		{"good: a person's applications", "/am/json/realms/root/realms/alpha/users/a11ce000-0000-4000-8000-000000000001/oauth2/applications/web", ""},
		{"good: sessions", "/am/json/sessions?_action=getSessionInfo", ""},
		{"good: authorization", "/am/oauth2/alpha/authorize?client_id=web&scope=openid&state=1", ""},
		{"good: other paths", "/v1/environments/0a000000-0000-4000-8000-00000000000a/users?filter=x", ""},
		{"good: another server's token endpoint", "/0a000000-0000-4000-8000-00000000000a/as/token", ""},
		{"good: am is no word of it", "/amount/" + aRefresh, ""},
		{"good: a query alone is the host's", "/as/authorize?code=" + aRefresh, ""},
		{"good: nothing", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want, wantHidden := tt.want, tt.want != ""
			if !wantHidden {
				want = tt.address
			}
			got, hidden := legacy.Redact(tt.address)
			if got != want || hidden != wantHidden {
				t.Errorf("Redact(%q) = %q, %v, want %q, %v", tt.address, got, hidden, want, wantHidden)
			}
			if again, hidden := legacy.Redact(got); again != got && hidden {
				t.Errorf("again = %q, want %q", again, got)
			}
		})
	}
}

// FuzzRedact: whatever reaches us (Handles) with a token anywhere in its path, or with one in a query parameter of ours,
// leaves without it, however it is spelt.
func FuzzRedact(f *testing.F) {
	for _, front := range []string{
		"/am/frrest/oauth2/token/", "/am//frrest%2foauth2/%74oken/", "/am/json/sessions/", "/am/x/", "/am/oauth2/alpha/tokeninfo/", "/am/%",
		"/AM/frrest/oauth2/tokens/", "/am/oauth2/tokeninfo?access_token=", "/am/json/sessions?tokenId=", "/am/%2%35/", "/am/a;b=",
	} {
		f.Add(front, "")
		f.Add(front, "/../x?_fields=a#b")
	}
	f.Fuzz(func(t *testing.T, front, behind string) {
		for _, token := range []string{anSSOToken, aRefresh, aJWT} {
			address := front + token + behind
			got, hidden := legacy.Redact(address)
			if !hidden && got != address {
				t.Fatalf("Redact(%q) = %q and nothing hidden", address, got)
			}
			path, query, _ := strings.Cut(address, "?")
			decoded, err := url.PathUnescape(path)
			if err != nil || !strings.HasPrefix(decoded, "/am/") && decoded != "/am" || strings.ContainsAny(path, "#") {
				continue // nothing that reaches us
			}
			if strings.Contains(path, token) && strings.Contains(got, token) && !strings.Contains(query, token) {
				t.Fatalf("Redact(%q) = %q", address, got)
			}
		}
	})
}

// TestRedactLong: who sends very long addresses does not keep the server busy: each segment is looked at once.
func TestRedactLong(t *testing.T) {
	for _, segment := range []string{"/token", "/sessions", "/am", "/x", "%2f", "/json"} {
		began := time.Now()
		legacy.Redact("/x" + strings.Repeat(segment, 500_000/len(segment)))
		if took := time.Since(began); took > 5*time.Second { // a fraction of a second, or, if it grew with the square, a dozen
			t.Errorf("%s: took %v", segment, took)
		}
	}
}

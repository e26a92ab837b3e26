package oauth_test

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

func TestParseResponseType(t *testing.T) {
	tests := []struct {
		name, in string
		want     []string
		code     string
	}{
		{"code", "code", []string{"code"}, ""},
		{"token", "token", []string{"token"}, ""},
		{"ID token", "id_token", []string{"id_token"}, ""},
		{"implicit", "id_token token", []string{"id_token", "token"}, ""},
		{"implicit, the other way round", "token id_token", []string{"id_token", "token"}, ""},
		{"hybrid", "code id_token", []string{"code", "id_token"}, ""},
		{"hybrid with token", "token code", []string{"code", "token"}, ""},
		{"all, in any order", "token id_token code", []string{"code", "id_token", "token"}, ""},
		{"missing", "", nil, "invalid_request"},
		{"unknown", "password", nil, "unsupported_response_type"},
		{"none", "none", nil, "unsupported_response_type"},
		{"one of them unknown", "code device", nil, "unsupported_response_type"},
		{"twice", "code code", nil, "unsupported_response_type"},
		{"two spaces", "code  token", nil, "unsupported_response_type"},
		{"a space alone", " ", nil, "unsupported_response_type"},
		{"a tab", "code\ttoken", nil, "unsupported_response_type"},
		{"a comma", "code,token", nil, "unsupported_response_type"},
		{"case", "Code", nil, "unsupported_response_type"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := oauth.ParseResponseType(tt.in)
			if code(err) != tt.code || !slices.Equal(got, tt.want) {
				t.Errorf("got %q, %v, want %q, %q", got, err, tt.want, tt.code)
			}
		})
	}
}

// FuzzParseResponseType: what is accepted is a set of the three known parts, and
// says the same when it is put together again.
func FuzzParseResponseType(f *testing.F) {
	for _, seed := range []string{"code", "token id_token code", "", "none", "code code", " code", "code\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		types, err := oauth.ParseResponseType(s)
		if err != nil {
			return
		}
		if !slices.IsSorted(types) || len(slices.Compact(slices.Clone(types))) != len(types) {
			t.Errorf("%q gives %q, want a sorted set", s, types)
		}
		again, err := oauth.ParseResponseType(strings.Join(types, " "))
		if err != nil || !slices.Equal(again, types) || len(strings.Join(types, " ")) != len(s) {
			t.Errorf("%q gives %q, which gives %q, %v", s, types, again, err)
		}
		for _, p := range types {
			if p != "code" && p != "token" && p != "id_token" {
				t.Errorf("%q gives the part %q", s, p)
			}
		}
	})
}

func TestParseResponseMode(t *testing.T) {
	tests := []struct {
		in, types, want string
		bad             bool
	}{
		{"", "code", "query", false},
		{"", "token", "fragment", false},
		{"", "code id_token", "fragment", false},
		{"query", "code", "query", false},
		{"query", "id_token", "", true},
		{"query", "code token", "", true},
		{"fragment", "code", "fragment", false},
		{"form_post", "code", "form_post", false},
		{"form_post", "id_token token", "form_post", false},
		{"pi.flow", "token", "pi.flow", false},
		{"form_post.jwt", "code", "", true},
		{"Query", "code", "", true},
		{"query fragment", "code", "", true},
	}
	for _, tt := range tests {
		t.Run(tt.in+" of "+tt.types, func(t *testing.T) {
			got, err := oauth.ParseResponseMode(tt.in, strings.Fields(tt.types))
			if got != tt.want || (err != nil) != tt.bad || err != nil && code(err) != oauth.CodeInvalidRequest {
				t.Errorf("got %q, %v, want %q and an error: %v", got, err, tt.want, tt.bad)
			}
		})
	}
}

func TestParsePrompt(t *testing.T) {
	tests := []struct {
		name, in string
		want     []string
		bad      bool
	}{
		{"absent", "", nil, false},
		{"none", "none", []string{"none"}, false},
		{"each of the others", "login consent select_account", []string{"login", "consent", "select_account"}, false},
		{"a repetition counts once", "login login", []string{"login"}, false},
		{"none beside another", "none login", nil, true},
		{"none behind another", "consent none", nil, true},
		{"unknown", "create", nil, true},
		{"unknown beside a known one", "login create", nil, true},
		{"two spaces", "login  consent", nil, true},
		{"case", "None", nil, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := oauth.ParsePrompt(tt.in)
			if !slices.Equal(got, tt.want) || (err != nil) != tt.bad || err != nil && code(err) != oauth.CodeInvalidRequest {
				t.Errorf("got %q, %v, want %q and an error: %v", got, err, tt.want, tt.bad)
			}
		})
	}
}

func TestParseMaxAge(t *testing.T) {
	for in, want := range map[string]int64{"0": 0, "1": 1, "86400": 86400, "007": 7, "9999999999": 9999999999} {
		if got, err := oauth.ParseMaxAge(in); err != nil || got == nil || *got != want {
			t.Errorf("%q: got %v, %v, want %d", in, got, err, want)
		}
	}
	if got, err := oauth.ParseMaxAge(""); got != nil || err != nil {
		t.Errorf("absent: got %v, %v, want nothing", got, err)
	}
	for _, in := range []string{"-1", "+1", "1.5", "1e3", " 1", "1 ", "x", "0x10", "99999999999", strconv.Itoa(1 << 62), "١"} {
		if got, err := oauth.ParseMaxAge(in); err == nil || code(err) != oauth.CodeInvalidRequest {
			t.Errorf("%q: got %v, %v, want invalid_request", in, got, err)
		}
	}
}

func TestParseClaimsRequest(t *testing.T) {
	type asked = map[string]oauth.ClaimRequest
	tests := []struct {
		name, in string
		want     oauth.ClaimsRequest
	}{
		{"absent", "", oauth.ClaimsRequest{}},
		{"empty", "{}", oauth.ClaimsRequest{}},
		{"voluntary", `{"userinfo":{"name":null}}`, oauth.ClaimsRequest{UserInfo: asked{"name": {}}}},
		{"essential", `{"id_token":{"auth_time":{"essential":true}}}`, oauth.ClaimsRequest{IDToken: asked{"auth_time": {Essential: true}}}},
		{"essential: false", `{"id_token":{"name":{"essential":false}}}`, oauth.ClaimsRequest{IDToken: asked{"name": {}}}},
		{"a value", `{"id_token":{"sub":{"value":"alice"}}}`, oauth.ClaimsRequest{IDToken: asked{"sub": {Value: "alice"}}}},
		{
			"values", `{"id_token":{"acr":{"essential":true,"values":["a","b"]}}}`,
			oauth.ClaimsRequest{IDToken: asked{"acr": {Essential: true, Values: []string{"a", "b"}}}},
		},
		{
			"the example of OIDC Core §5.5",
			`{"userinfo":{"given_name":{"essential":true},"nickname":null,"http://example.info/claims/groups":null},"id_token":{"auth_time":{"essential":true},"acr":{"values":["urn:mace:incommon:iap:silver"]}}}`,
			oauth.ClaimsRequest{
				UserInfo: asked{"given_name": {Essential: true}, "nickname": {}, "http://example.info/claims/groups": {}},
				IDToken:  asked{"auth_time": {Essential: true}, "acr": {Values: []string{"urn:mace:incommon:iap:silver"}}},
			},
		},
		{"both null", `{"userinfo":null,"id_token":null}`, oauth.ClaimsRequest{}},
		{"an empty member", `{"userinfo":{}}`, oauth.ClaimsRequest{}},
		{"unknown members", `{"x":1,"userinfo":{"name":{"x":[],"purpose":"why"}}}`, oauth.ClaimsRequest{UserInfo: asked{"name": {}}}},
		{"members have one spelling", `{"ID_Token":{"name":null},"userinfo":{"name":{"Essential":true}}}`, oauth.ClaimsRequest{UserInfo: asked{"name": {}}}},
		{"a language tag", `{"userinfo":{"name#de":null}}`, oauth.ClaimsRequest{UserInfo: asked{"name#de": {}}}},
		{"a value that is no string never matches", `{"userinfo":{"age":{"value":5},"email_verified":{"values":[true,"x",null]}}}`,
			oauth.ClaimsRequest{UserInfo: asked{"age": {}, "email_verified": {Values: []string{"x"}}}}},
		{"white space", " {\n\t\"userinfo\" : { \"name\" : null } }\r\n", oauth.ClaimsRequest{UserInfo: asked{"name": {}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := oauth.ParseClaimsRequest(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}

	many := make([]string, 101)
	for i := range many {
		many[i] = `"c` + strconv.Itoa(i) + `":null`
	}
	refused := map[string]string{
		"no JSON":                      "name",
		"an array":                     `[]`,
		"a string":                     `"{}"`,
		"null":                         `null`,
		"text behind it":               `{} {}`,
		"a member that is no object":   `{"userinfo":[]}`,
		"a claim that is no object":    `{"userinfo":{"name":"x"}}`,
		"a claim that is true":         `{"userinfo":{"name":true}}`,
		"essential that is no boolean": `{"userinfo":{"name":{"essential":"true"}}}`,
		"values that are no array":     `{"userinfo":{"name":{"values":"x"}}}`,
		"an acr that cannot match":     `{"id_token":{"acr":{"essential":true,"value":5}}}`,
		"an empty acr":                 `{"id_token":{"acr":{"value":""}}}`,
		"acr values that cannot match": `{"id_token":{"acr":{"essential":true,"values":[1,2]}}}`,
		"no acr values":                `{"id_token":{"acr":{"essential":true,"values":[]}}}`,
		"a sub that cannot match":      `{"id_token":{"sub":{"value":["alice"]}}}`,
		"an empty name":                `{"userinfo":{"":null}}`,
		"a long name":                  `{"userinfo":{"` + strings.Repeat("n", 257) + `":null}}`,
		"too many claims":              `{"userinfo":{` + strings.Join(many, ",") + `}}`,
		"too many values":              `{"userinfo":{"name":{"values":["x"` + strings.Repeat(`,"x"`, 50) + `]}}}`,
		"too long":                     `{"x":"` + strings.Repeat("x", 8<<10) + `"}`,
		"no UTF-8":                     "{\"userinfo\":{\"a\xff\":null}}",
		"nested without end":           strings.Repeat(`{"userinfo":`, 600) + "1",
	}
	for name, in := range refused {
		t.Run("refused: "+name, func(t *testing.T) {
			got, err := oauth.ParseClaimsRequest(in)
			if code(err) != oauth.CodeInvalidRequest || got.IDToken != nil || got.UserInfo != nil {
				t.Errorf("got %v, %v, want invalid_request and nothing", got, err)
			}
		})
	}
	t.Run("100 claims", func(t *testing.T) {
		if _, err := oauth.ParseClaimsRequest(`{"userinfo":{` + strings.Join(many[:100], ",") + `}}`); err != nil {
			t.Errorf("error = %v, want them accepted", err)
		}
	})
}

// FuzzParseClaimsRequest: what is accepted is within its bounds, and comes back
// the same from the form in which it is kept.
func FuzzParseClaimsRequest(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"userinfo":{"name":null}}`, `{"id_token":{"acr":{"essential":true,"values":["a","b"]}}}`, `{"id_token":{"sub":{"value":"x"}}}`,
		`{"id_token":{"acr":{"value":1}}}`, `[]`, `null`, `{"userinfo":{"a":{"values":[null,1,""]}}}`, "{\"userinfo\":{\"\\ud800\":null}}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := oauth.ParseClaimsRequest(s)
		if err != nil {
			if code(err) != oauth.CodeInvalidRequest {
				t.Errorf("error = %v", err)
			}
			return
		}
		if !json.Valid([]byte(s)) && s != "" {
			t.Errorf("%q is accepted and no JSON", s)
		}
		if len(c.IDToken) > 100 || len(c.UserInfo) > 100 {
			t.Errorf("%d and %d claims", len(c.IDToken), len(c.UserInfo))
		}
		kept, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		var again oauth.ClaimsRequest
		if err := json.Unmarshal(kept, &again); err != nil || !cmp.Equal(again, c) {
			t.Errorf("kept as %s, it comes back as %+v, %v", kept, again, err)
		}
		if len(kept) > 8<<10 {
			return // kept with escapes; what it says is the same
		}
		if again, err := oauth.ParseClaimsRequest(string(kept)); err != nil || !cmp.Equal(again, c) {
			t.Errorf("%s parses to %+v, %v", kept, again, err)
		}
	})
}

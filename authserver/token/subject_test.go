package token_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// TestMappedSubject: what is mapped to sub is in ID tokens and UserInfo answers
// alike, we know from the token whom it is about, and without a value there is none.
func TestMappedSubject(t *testing.T) {
	a := newAuthority(t)
	user := employee(env)
	for _, tt := range []struct {
		name string
		from store.Source
		want string // "": none
	}{
		{"nothing", store.Source{}, user.ID},
		{"the ID", store.SourceUserID, user.ID},
		{"the username", source(t, "${user.username}"), user.Username},
		{"a claim", source(t, "${user.department}"), "sales"},
		{"a number", source(t, "${user.level}"), "7"},
		{"a claim without a value", source(t, "${user.none}"), ""},
		{"an object", source(t, "${user.org_unit}"), ""},
		{"too long a value", source(t, "${user.long}"), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client := *a.Clients["web"]
			client.Subject = tt.from
			if got := token.SubjectFor(&client, user); got != tt.want {
				t.Errorf("SubjectFor = %q, want %q", got, tt.want)
			}
			raw, err := a.IDTokens.Mint(t.Context(), a.Env, token.IDToken{
				Client: &client, On: token.SignedOn{Subject: user.ID, Session: "s", AuthTime: noon}, User: user, Scope: []string{"openid"},
			})
			if tt.want == "" {
				if e, ok := errors.AsType[*oauth.Error](err); !ok || e.Code != oauth.CodeInvalidRequest {
					t.Errorf("error = %v, want invalid_request", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			jws, err := jose.Parse(raw, jose.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			c, err := jws.Claims()
			if err != nil {
				t.Fatal(err)
			}
			if c.Subject != tt.want || token.SubjectOf(c) != user.ID {
				t.Errorf("sub = %q about %q, want %q about %q", c.Subject, token.SubjectOf(c), tt.want, user.ID)
			}
			if c.Has("unmapped_sub") != (tt.want != user.ID) {
				t.Errorf("unmapped_sub is there: %v", c.Has("unmapped_sub"))
			}
			var info struct{ Sub string }
			if err := json.Unmarshal(token.UserInfo(standard, &client, user, &token.Person{Scope: []string{"openid"}}), &info); err != nil || info.Sub != tt.want {
				t.Errorf("UserInfo: sub = %q, %v, want %q", info.Sub, err, tt.want)
			}
			active, err := a.Verifier.VerifyIDToken(t.Context(), a.Env, raw)
			if err != nil || active.Subject != user.ID {
				t.Errorf("VerifyIDToken = %+v, %v, want one about the user", active, err)
			}
		})
	}
}

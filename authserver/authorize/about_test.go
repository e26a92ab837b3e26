package authorize_test

import (
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/authorize"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// TestAbout: a hint is about a user, and a sub that is asked for is what the client
// knows the person by.
func TestAbout(t *testing.T) {
	user := &store.User{ID: "alice-id", Username: "alice"}
	asked := func(sub string) oauth.ClaimsRequest {
		return oauth.ClaimsRequest{IDToken: map[string]oauth.ClaimRequest{"sub": {Value: sub}}}
	}
	plain, mapped := &store.Client{}, &store.Client{Subject: store.Source{User: "username"}}
	for _, tt := range []struct {
		name   string
		client *store.Client
		req    authorize.Request
		want   bool
	}{
		{"nobody in particular", plain, authorize.Request{}, true},
		{"a hint", plain, authorize.Request{HintSubject: "alice-id"}, true},
		{"a hint of another", plain, authorize.Request{HintSubject: "bob-id"}, false},
		{"a sub", plain, authorize.Request{Claims: asked("alice-id")}, true},
		{"another sub", plain, authorize.Request{Claims: asked("alice")}, false},
		{"a hint where sub is mapped", mapped, authorize.Request{HintSubject: "alice-id"}, true},
		{"a sub where it is mapped", mapped, authorize.Request{Claims: asked("alice")}, true},
		{"an ID where sub is mapped", mapped, authorize.Request{Claims: asked("alice-id")}, false},
		{"one of several in UserInfo", mapped, authorize.Request{Claims: oauth.ClaimsRequest{UserInfo: map[string]oauth.ClaimRequest{"sub": {Values: []string{"bob", "alice"}}}}}, true},
		{"none of several in UserInfo", mapped, authorize.Request{Claims: oauth.ClaimsRequest{UserInfo: map[string]oauth.ClaimRequest{"sub": {Values: []string{"bob"}}}}}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.req.About(tt.client, user); got != tt.want {
				t.Errorf("About = %v, want %v", got, tt.want)
			}
		})
	}
}

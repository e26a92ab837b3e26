package registration_test

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

func TestWhoMayRegister(t *testing.T) {
	const first, second = "initial-access-token-1", "initial-access-token-2"
	tests := []struct {
		name      string
		env       *store.Environment
		token     string
		status    int
		challenge string
	}{
		{"off", environment(store.RegistrationOff), "", 404, ""},
		{"off, with a token", environment(store.RegistrationOff, first), first, 404, ""},
		{"open", environment(store.RegistrationOpen), "", 0, ""},
		{"open, with any token", environment(store.RegistrationOpen), "x", 0, ""},
		{"token, none sent", environment(store.RegistrationToken, first, second), "", 401, "Bearer"},
		{"token, a wrong one", environment(store.RegistrationToken, first, second), first + "x", 401, `Bearer error="invalid_token"`},
		{"token, a prefix", environment(store.RegistrationToken, first, second), first[:len(first)-1], 401, `Bearer error="invalid_token"`},
		{"token, the first", environment(store.RegistrationToken, first, second), first, 0, ""},
		{"token, the second", environment(store.RegistrationToken, first, second), second, 0, ""},
		{"token, none configured", environment(store.RegistrationToken), "x", 401, `Bearer error="invalid_token"`},
		{"token, an empty one configured", environment(store.RegistrationToken, ""), "", 401, "Bearer"},
		{"a mode that nobody knows", environment("everyone"), "", 404, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newRig(t)
			_, err := g.registrar.Register(t.Context(), tt.env, tt.token, []byte(minimal()))
			if tt.status == 0 {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				return
			}
			e := oauth.From(err)
			if err == nil || e.Status != tt.status {
				t.Fatalf("error = %v, want status %d", err, tt.status)
			}
			challenge := ""
			if len(e.Challenges) > 0 {
				challenge = e.Challenges[0].String()
			}
			if challenge != tt.challenge {
				t.Errorf("challenge = %q, want %q", challenge, tt.challenge)
			}
		})
	}
	t.Run("client_credentials with a token", func(t *testing.T) {
		g, env := newRig(t), environment(store.RegistrationToken, first)
		env.Registration.Scopes = []string{"orders:read"}
		service := `{"grant_types":["client_credentials"],"response_types":[]}`
		body, err := g.registrar.Register(t.Context(), env, first, []byte(service))
		if err != nil {
			t.Fatal(err)
		}
		c := g.client(object(t, body)["client_id"].(string))
		if c.Type != store.Service || len(c.RedirectURIs) != 0 || !cmp.Equal(c.Grants, map[string][]string{"orders": {"orders:read"}}) {
			t.Errorf("got %+v, want a service with its scope", c)
		}
		public := `{"grant_types":["client_credentials"],"response_types":[],"token_endpoint_auth_method":"none"}`
		if _, err := g.registrar.Register(t.Context(), env, first, []byte(public)); code(err) != badMetadata {
			t.Errorf("a public one: error = %v, want %s", err, badMetadata)
		}
	})
}

func TestConfigurationEndpoint(t *testing.T) {
	g, env := newRig(t), environment(store.RegistrationOpen)
	first := g.register(env, minimal("client_name", `"First"`))
	id, token := first["client_id"].(string), first["registration_access_token"].(string)
	other := g.register(env, minimal())

	t.Run("read back as it was answered", func(t *testing.T) {
		body, err := g.registrar.Read(t.Context(), env, token, id)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first, object(t, body)); diff != "" {
			t.Errorf("answer (-registered +read):\n%s", diff)
		}
	})

	unauthorized := []struct{ name, token, id string }{
		{"no token", "", id},
		{"a wrong token", token + "x", id},
		{"another client's token", other["registration_access_token"].(string), id},
		{"an unknown client", token, "0c000000-0000-4000-8000-00000000000c"},
		{"an unknown client, empty token", "", "0c000000-0000-4000-8000-00000000000c"},
		{"the client's secret", first["client_secret"].(string), id},
	}
	for _, tt := range unauthorized {
		t.Run("refused alike: "+tt.name, func(t *testing.T) {
			_, read := g.registrar.Read(t.Context(), env, tt.token, tt.id)
			_, replaced := g.registrar.Replace(t.Context(), env, tt.token, tt.id, []byte(minimal()))
			deleted := g.registrar.Delete(t.Context(), env, tt.token, tt.id)
			for what, err := range map[string]error{"read": read, "replace": replaced, "delete": deleted} {
				e := oauth.From(err)
				if err == nil || e.Status != http.StatusUnauthorized || e.Code != "invalid_token" || len(e.Challenges) != 1 {
					t.Errorf("%s: error = %v, want 401 invalid_token with a challenge", what, err)
				}
			}
		})
	}
	t.Run("case_108/at another environment", func(t *testing.T) {
		elsewhere := environment(store.RegistrationOpen)
		elsewhere.ID = "0b000000-0000-4000-8000-00000000000b"
		if _, err := g.registrar.Read(t.Context(), elsewhere, token, id); oauth.From(err).Status != http.StatusUnauthorized {
			t.Errorf("error = %v, want 401", err)
		}
	})
	t.Run("not there when registration is off", func(t *testing.T) {
		if _, err := g.registrar.Read(t.Context(), environment(store.RegistrationOff), token, id); oauth.From(err).Status != http.StatusNotFound {
			t.Errorf("error = %v, want 404", err)
		}
	})

	update := func(t *testing.T, members ...string) (map[string]any, error) {
		t.Helper()
		body, err := g.registrar.Replace(t.Context(), env, token, id, []byte(minimal(append([]string{"client_id", `"` + id + `"`}, members...)...)))
		if err != nil {
			return nil, err
		}
		return object(t, body), nil
	}
	t.Run("replace", func(t *testing.T) {
		got, err := update(t, "redirect_uris", `["https://new.example.com/cb"]`, "client_secret", `"`+first["client_secret"].(string)+`"`)
		if err != nil {
			t.Fatal(err)
		}
		want := maps.Clone(first)
		want["redirect_uris"] = []any{"https://new.example.com/cb"}
		delete(want, "client_name") // left out, so gone
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("answer (-want +got):\n%s", diff)
		}
		if c := g.client(id); !cmp.Equal(c.RedirectURIs, []string{"https://new.example.com/cb"}) || c.Name != id {
			t.Errorf("got %+v, want it replaced as a whole", c)
		}
	})
	for name, members := range map[string][]string{
		"without client_id":              {"client_id", "null"},
		"another client_id":              {"client_id", `"x"`},
		"a wrong client_secret":          {"client_secret", `"x"`},
		"a client_secret that is a list": {"client_secret", `[]`},
		"registration_access_token":      {"registration_access_token", `"x"`},
		"registration_client_uri":        {"registration_client_uri", `"x"`},
		"client_secret_expires_at":       {"client_secret_expires_at", `0`},
		"client_id_issued_at":            {"client_id_issued_at", `0`},
		"metadata that is refused":       {"subject_type", `"pairwise"`},
	} {
		t.Run("replace refused: "+name, func(t *testing.T) {
			if _, err := update(t, members...); code(err) != badMetadata {
				t.Errorf("error = %v, want %s", err, badMetadata)
			}
		})
	}
	t.Run("a secret comes and goes with the method", func(t *testing.T) {
		got, err := update(t, "token_endpoint_auth_method", `"none"`)
		if err != nil || got["client_secret"] != nil || len(g.client(id).Secrets) != 0 {
			t.Fatalf("got %v, %v, want no secret", got["client_secret"], err)
		}
		if _, err := update(t, "client_secret", `"`+first["client_secret"].(string)+`"`); code(err) != badMetadata {
			t.Errorf("the secret of before: error = %v, want %s", err, badMetadata)
		}
		got, err = update(t)
		if err != nil || got["client_secret"] == nil || got["client_secret"] == first["client_secret"] {
			t.Errorf("error = %v, want a new secret", err)
		}
	})
	t.Run("two updates at once", func(t *testing.T) {
		g.store.late = store.ErrConflict
		defer func() { g.store.late = nil }()
		if _, err := update(t); code(err) != oauth.CodeTemporarilyUnavailable {
			t.Errorf("error = %v, want temporarily_unavailable", err)
		}
	})
	t.Run("delete", func(t *testing.T) {
		if err := g.registrar.Delete(t.Context(), env, token, id); err != nil {
			t.Fatal(err)
		}
		if len(g.ended) == 0 || g.ended[0] != envID+" "+id {
			t.Errorf("ended = %v, want everything of the client", g.ended)
		}
		if _, err := g.registrar.Read(t.Context(), env, token, id); oauth.From(err).Status != http.StatusUnauthorized {
			t.Errorf("read: error = %v, want 401", err)
		}
		if _, err := g.registrar.Read(t.Context(), env, other["registration_access_token"].(string), other["client_id"].(string)); err != nil {
			t.Errorf("another client: %v", err)
		}
	})
	t.Run("nothing is deleted that cannot be ended", func(t *testing.T) {
		g.registrar.End = nil
		otherID := other["client_id"].(string)
		if err := g.registrar.Delete(t.Context(), env, other["registration_access_token"].(string), otherID); err == nil {
			t.Error("deleted, want an error")
		}
		g.client(otherID)
	})
}

func TestRegistrationWhenTheStoreIsGone(t *testing.T) {
	g, env := newRig(t), environment(store.RegistrationOpen)
	g.store.err = errors.New("disk on fire")
	_, registered := g.registrar.Register(t.Context(), env, "", []byte(minimal()))
	_, read := g.registrar.Read(t.Context(), env, "x", "y")
	for what, err := range map[string]error{"register": registered, "read": read} {
		if got := code(err); got != oauth.CodeTemporarilyUnavailable {
			t.Errorf("%s: error code = %q, want temporarily_unavailable", what, got)
		}
	}
}

// FuzzRegister: whatever is registered is read back the same, and registering
// what was read back registers the same.
func FuzzRegister(f *testing.F) {
	for _, seed := range []string{
		minimal(), `{}`, minimal("jwks", `{"keys":[{"kty":"EC"}]}`), minimal("scope", `"openid"`, "client_name", `"\ud83d\ude00"`),
		minimal("response_types", `["code id_token"]`, "grant_types", `["implicit","authorization_code"]`), minimal("default_max_age", `1e3`),
		`{"redirect_uris":["com.example.app:/cb"],"application_type":"native"}`, `[[[[`, `{"a":1,"a":2}`,
	} {
		f.Add([]byte(seed))
	}
	env := environment(store.RegistrationOpen)
	f.Fuzz(func(t *testing.T, metadata []byte) {
		g := newRig(t)
		body, err := g.registrar.Register(t.Context(), env, "", metadata)
		if err != nil {
			if c := code(err); c != badMetadata && c != badRedirect {
				t.Fatalf("error code = %q, want one of registration", c)
			}
			return
		}
		first := object(t, body)
		for _, uri := range g.client(first["client_id"].(string)).RedirectURIs {
			if strings.ContainsAny(uri, "# \\\t\r\n") || strings.HasPrefix(strings.ToLower(uri), "javascript:") {
				t.Fatalf("registered %q", uri)
			}
		}
		for _, name := range []string{"client_id", "client_secret", "client_secret_expires_at", "client_id_issued_at", "registration_access_token", "registration_client_uri"} {
			delete(first, name)
		}
		again, err := json.Marshal(first)
		if err != nil {
			t.Fatal(err)
		}
		second, err := g.registrar.Register(t.Context(), env, "", again)
		if err != nil {
			t.Fatalf("what was read back is refused: %v\n%s", err, again)
		}
		echo := object(t, second)
		for name := range echo {
			if _, ok := first[name]; !ok {
				delete(echo, name)
			}
		}
		if diff := cmp.Diff(first, echo); diff != "" {
			t.Errorf("(-first +second):\n%s", diff)
		}
	})
}

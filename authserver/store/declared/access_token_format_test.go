package declared_test

import (
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

func TestAccessTokenFormat(t *testing.T) {
	for _, tt := range []struct {
		environment, application string
		opaque                   bool
		format                   store.AccessTokenFormat
	}{
		{"", "", false, store.FormatDefault},
		{"jwt", "", false, store.FormatDefault},
		{"opaque", "", true, store.FormatDefault},
		{"opaque", "jwt", true, store.FormatJWT},
		{"jwt", "opaque", false, store.FormatOpaque},
		{"", "opaque", false, store.FormatOpaque},
	} {
		c := good()
		c.Environments[0].AccessTokenFormat = tt.environment
		c.Environments[0].Applications[0].AccessTokenFormat = tt.application
		d, err := declared.New(c)
		if err != nil {
			t.Fatal(err)
		}
		env, _ := d.EnvironmentByID(t.Context(), id)
		client, _ := d.ClientByID(t.Context(), id, "batch")
		if env.OpaqueTokens != tt.opaque || client.AccessTokenFormat != tt.format {
			t.Errorf("%q, %q: opaque = %v, format = %q, want %v, %q", tt.environment, tt.application, env.OpaqueTokens, client.AccessTokenFormat, tt.opaque, tt.format)
		}
		if web, _ := d.ClientByID(t.Context(), id, "web"); web.AccessTokenFormat != store.FormatDefault {
			t.Errorf("%q: format of another client = %q, want the environment's", tt.environment, web.AccessTokenFormat)
		}
	}
}

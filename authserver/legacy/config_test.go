package legacy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/legacy"
)

func TestConfigCheck(t *testing.T) {
	good := func() legacy.Config {
		return legacy.Config{URL: amURL, Realms: []legacy.Realm{{Path: "/alpha", Environment: alphaID}}}
	}
	tests := []struct {
		name string
		edit func(*legacy.Config)
		want string // of the error; "" is none
	}{
		{"the least", func(*legacy.Config) {}, ""},
		{"http of a loopback host", func(c *legacy.Config) { c.URL = "http://localhost:8080/am" }, ""},
		{"no url", func(c *legacy.Config) { c.URL = "" }, "url"},
		{"a url of another path", func(c *legacy.Config) { c.URL = host + "/openam" }, "url"},
		{"a url with a slash behind", func(c *legacy.Config) { c.URL = amURL + "/" }, "url"},
		{"a url with a query", func(c *legacy.Config) { c.URL = amURL + "?x" }, "url"},
		{"a url with a user", func(c *legacy.Config) { c.URL = "https://u@login.example.com/am" }, "url"},
		{"a url of another scheme", func(c *legacy.Config) { c.URL = "ftp://login.example.com/am" }, "url"},
		{"no realm", func(c *legacy.Config) { c.Realms = nil }, "realm is missing"},
		{"the top realm", func(c *legacy.Config) { c.Realms[0].Path = "/" }, ""},
		{"a realm below another", func(c *legacy.Config) { c.Realms[0].Path = "/alpha/sub" }, ""},
		{"a realm without a slash", func(c *legacy.Config) { c.Realms[0].Path = "alpha" }, `realm "alpha"`},
		{"a realm with dots", func(c *legacy.Config) { c.Realms[0].Path = "/.." }, `realm ".."`},
		{"a realm with an empty name", func(c *legacy.Config) { c.Realms[0].Path = "/alpha//sub" }, "realm"},
		{"a realm without an environment", func(c *legacy.Config) { c.Realms[0].Environment = "" }, "environment is missing"},
		{"a realm twice, in two cases", func(c *legacy.Config) {
			c.Realms = append(c.Realms, legacy.Realm{Path: "/ALPHA", Environment: bravoID})
		}, "twice"},
		{"a realm named as what has something behind it", func(c *legacy.Config) { c.Realms[0].Path = "/sessions" }, "/am/json/sessions/authenticate is another"},
		{"the same in another case", func(c *legacy.Config) { c.Realms[0].Path = "/Sessions" }, "realm /Sessions: a realm cannot be called so"},
		{"the same below another", func(c *legacy.Config) { c.Realms[0].Path = "/alpha/register" }, "/am/oauth2/alpha/register/tokeninfo is another"},
		{"a realm whose revocation is the top realm's", func(c *legacy.Config) { c.Realms[0].Path = "/token" }, "/am/oauth2/token/revoke is another"},
		{"a realm as the long form begins", func(c *legacy.Config) { c.Realms[0].Path = "/realms/root" }, "/am/json/realms/root/"},
		{"a realm named as a segment that leads nowhere else", func(c *legacy.Config) { c.Realms[0].Path = "/users" }, ""},
		{"an administrator", admins(legacy.Administrator{Name: amadmin, Password: amadminPassword}), ""},
		{"an administrator of an odd name", admins(legacy.Administrator{Name: "am admin", Password: "x"}), "administrator"},
		{"an administrator without a password", admins(legacy.Administrator{Name: amadmin}), "password is missing"},
		{"an administrator with half a hash", admins(legacy.Administrator{Name: amadmin, Password: "$argon2id$v=19$m=1"}), "password"},
		{"an administrator named as what stands for nobody", admins(legacy.Administrator{Name: "Decoy-1", Password: "x"}), "taken"},
		{"an administrator twice, in two cases", admins(legacy.Administrator{Name: "a", Password: "x"}, legacy.Administrator{Name: "A", Password: "x"}), "twice"},
		{"a cookie of AIC", func(c *legacy.Config) { c.Cookie = "6ac6499e9da2071" }, ""},
		{"a cookie named as another header", func(c *legacy.Config) { c.Cookie = "authorization" }, "cookie_name"},
		{"a cookie named as that of the hosted pages", func(c *legacy.Config) { c.Cookie = "st" }, "cookie_name"},
		{"a cookie with a space", func(c *legacy.Config) { c.Cookie = "a b" }, "cookie_name"},
		{"a domain", func(c *legacy.Config) { c.CookieDomain = ".example.com" }, ""},
		{"a domain of one label", func(c *legacy.Config) { c.CookieDomain = "com" }, "cookie_domain"},
		{"a domain with an attribute", func(c *legacy.Config) { c.CookieDomain = "example.com; Path=/x" }, "cookie_domain"},
		{"sessions of administrators that are too short", func(c *legacy.Config) { c.AdministratorIdle = time.Second }, "administrator_session"},
		{"a lifetime less than idle", func(c *legacy.Config) { c.AdministratorIdle, c.AdministratorLifetime = time.Hour, time.Minute }, "administrator_session"},
		{"a sunset", func(c *legacy.Config) { c.Sunset = time.Date(2027, 12, 31, 0, 0, 0, 0, time.UTC) }, ""},
		{"a sunset before the deprecation", func(c *legacy.Config) { c.Sunset = time.Date(2020, 12, 31, 0, 0, 0, 0, time.UTC) }, "sunset"},
		{"a link", func(c *legacy.Config) { c.DeprecationLink = "https://docs.example.com/am" }, ""},
		{"a link that ends the header", func(c *legacy.Config) { c.DeprecationLink = `https://docs.example.com/>; rel="x` }, "deprecation_link"},
		{"a service of an odd name", func(c *legacy.Config) { c.Services = []string{"Log in"} }, "service"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := good()
			tt.edit(&c)
			err := c.Check()
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error = %v, want %q in it", err, tt.want)
			}
		})
	}
	t.Run("defaults", func(t *testing.T) {
		got := good()
		if err := got.Check(); err != nil {
			t.Fatal(err)
		}
		want := good()
		want.Cookie, want.SuccessURL, want.Services = "iPlanetDirectoryPro", "/am/console", []string{"Login", "ldapService"}
		want.AdministratorIdle, want.AdministratorLifetime = 30*time.Minute, 2*time.Hour
		want.Deprecated = time.Date(2026, time.November, 22, 0, 0, 0, 0, time.UTC)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("config (-want +got):\n%s", diff)
		}
	})
	t.Run("issuers", func(t *testing.T) {
		c := good()
		for realm, want := range map[string]string{
			"/": amURL + "/oauth2", "/alpha": amURL + "/oauth2/realms/root/realms/alpha",
			"/alpha/sub": amURL + "/oauth2/realms/root/realms/alpha/realms/sub",
		} {
			if got := c.Issuer(realm); got != want {
				t.Errorf("issuer of %s = %s, want %s", realm, got, want)
			}
		}
	})
}

func admins(list ...legacy.Administrator) func(*legacy.Config) {
	return func(c *legacy.Config) { c.Administrators = list }
}

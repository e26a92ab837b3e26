package resourceserver_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

// Section C of the attack catalogue: getting the token out of HTTP.

func TestAttackHTTP(t *testing.T) {
	c := newClock()
	is := fixed(rsaKey())
	g := newGate(t, c, is)
	good := sign(goodClaims(is.Issuer, c))
	bad := verdict{http.StatusBadRequest, oauth.CodeInvalidRequest, resourceserver.InvalidRequest}
	none := verdict{http.StatusUnauthorized, "", resourceserver.NoToken}
	opaque := invalid(resourceserver.Malformed)
	tests := []struct {
		name   string
		header []string
		want   verdict
	}{
		{"good", []string{"Bearer " + good}, pass},
		{"no header", nil, none},
		{"empty header", []string{""}, none},

		{"case_46/two Bearer", []string{"Bearer " + good, "Bearer " + good}, bad},
		{"case_46/Basic and Bearer", []string{"Basic YTpi", "Bearer " + good}, bad},
		{"case_46/Bearer and empty", []string{"Bearer " + good, ""}, bad},
		{"case_46/joined", []string{"Bearer " + good + ", Bearer " + good}, bad},
		{"case_46/joined without a space", []string{"Bearer " + good + ",Bearer " + good}, bad},
		{"case_46/Basic joined with Bearer", []string{"Basic YTpi, Bearer " + good}, bad},
		{"case_46/empty joined with Bearer", []string{"Bearer, Bearer " + good}, bad},
		{"case_46/nearest good: other scheme with commas", []string{`Digest username="a", realm="b"`}, none},

		{"case_49/bearer", []string{"bearer " + good}, pass},
		{"case_49/BEARER", []string{"BEARER    " + good}, pass},
		{"case_49/alone", []string{"Bearer"}, bad},
		{"case_49/alone with spaces", []string{"Bearer  "}, bad},
		{"case_49/tab", []string{"Bearer\t" + good}, none},
		{"case_49/Token", []string{"Token " + good}, none},
		{"case_49/BearerX", []string{"BearerX " + good}, none},
		{"case_49/no space", []string{"Bearer" + good}, none},
		{"case_49/colon", []string{"Bearer: " + good}, none},

		{"two tokens", []string{"Bearer " + good + " " + good}, bad},
		{"trailing space", []string{"Bearer " + good + " "}, bad},
		{"trailing NUL", []string{"Bearer " + good + "\x00"}, bad},
		{"not a b64token", []string{"Bearer a=b"}, bad},
		{"padding alone", []string{"Bearer =="}, bad},
		{"quoted", []string{`Bearer "` + good + `"`}, bad},

		{"case_51/x", []string{"Bearer x"}, opaque},
		{"case_51/padding", []string{"Bearer dG9rZW4="}, opaque},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			if tt.header != nil {
				r.Header["Authorization"] = tt.header
			}
			for _, when := range []string{"first", "second"} {
				if got := g.request(r, nil); got != tt.want {
					t.Errorf("%s verdict = %v, want %v", when, got, tt.want)
				}
			}
		})
	}

	t.Run("case_51/cookie", func(t *testing.T) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.AddCookie(&http.Cookie{Name: "access_token", Value: good})
		if got := g.request(r, nil); got != none {
			t.Errorf("verdict = %v, want %v", got, none)
		}
	})
	t.Run("query and form are not read", func(t *testing.T) {
		form := strings.NewReader("access_token=" + good)
		r := httptest.NewRequest(http.MethodPost, "/?access_token="+good, form)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if got := g.request(r, nil); got != none {
			t.Errorf("verdict = %v, want %v", got, none)
		}
		if form.Len() == 0 {
			t.Error("the body was read, want it left alone")
		}
	})
	t.Run("case_52/magic callers", func(t *testing.T) {
		for name, change := range map[string]func(r *http.Request){
			"health check": func(r *http.Request) { r.Header.Set("User-Agent", "ELB-HealthChecker/2.0") },
			"kube probe":   func(r *http.Request) { r.Header.Set("User-Agent", "kube-probe/1.30") },
			"X-Health":     func(r *http.Request) { r.Header.Set("X-Health", "1") },
			"loopback":     func(r *http.Request) { r.Host, r.RemoteAddr = "localhost", "127.0.0.1:9" },
			"forwarded":    func(r *http.Request) { r.Header.Set("X-Forwarded-For", "127.0.0.1") },
			"case_53":      func(r *http.Request) { r.Method = http.MethodOptions },
			"override":     func(r *http.Request) { r.Header.Set("X-HTTP-Method-Override", "OPTIONS") },
		} {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			change(r)
			if got := g.request(r, nil); got != none {
				t.Errorf("%s: verdict = %v, want %v", name, got, none)
			}
			r.Header.Set("Authorization", "Bearer "+good)
			if got := g.request(r, nil); got != pass {
				t.Errorf("%s with a token: verdict = %v, want %v", name, got, pass)
			}
		}
	})
}

func FuzzAuthorizationHeader(f *testing.F) {
	c := newClock()
	is := fixed(ecKey())
	g := newGate(f, c, is)
	good := must(ecKey().Sign("at+jwt", []byte(goodClaims(is.Issuer, c).json())))
	for _, seed := range []string{
		"", "Bearer", "Bearer ", "Bearer x", "bearer\tx", "Bearer " + good, "Bearer a, Bearer b", "Basic YTpi, Bearer x",
		`Bearer {"payload":"e30"}`, "Bearer ....", "Bearer " + mangle(good), "DPoP x",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header["Authorization"] = []string{value}
		first, second := g.request(r, nil), g.request(r, nil)
		if first != second {
			t.Errorf("verdicts = %v, then %v; want the same", first, second)
		}
		if first == pass && strings.TrimLeft(value[6:], " ") != good {
			t.Errorf("accepted %q, want only the good token", value)
		}
		if first.status == 0 || first.status == http.StatusInternalServerError {
			t.Errorf("verdict = %v, want one of the answers", first)
		}
	})
}

package session_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// TestHome: at a place whose sessions have another cookie, ST is neither set nor taken away; it is handed over for the
// environment's home alone, and to none at another origin.
func TestHome(t *testing.T) {
	const home = "https://auth.example.com/" + envID + "/as"
	tests := []struct{ name, issuer, home, want string }{
		{"at home", home, "", ""},
		{"away", "https://auth.example.com/am/oauth2/realms/root/realms/alpha", home, "; Path=/" + envID + "; HttpOnly; Secure; SameSite=None"},
		{"away, at another origin", "https://am.example.com/am/oauth2", home, ""},
		{"away, by another scheme", "http://auth.example.com/am/oauth2", home, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := newKit(t)
			a := k.agent()
			a.signOn(t, alice)
			env := (&store.Environment{ID: envID, Issuer: home}).At(store.Domain{Issuer: tt.issuer, Home: tt.home})
			b, err := k.Read(a.request(), env)
			if err != nil || b.Session == nil {
				t.Fatalf("session = %v, %v", b, err)
			}
			w := handedOver(b, env)
			if tt.want == "" && len(w) > 0 || tt.want != "" && (len(w) != 1 || w[0] != "ST="+a.cookies["ST"]+tt.want) {
				t.Errorf("Set-Cookie = %q, want %q", w, tt.want)
			}
			if _, err := k.End(t.Context(), env, b.Session.ID, b); err != nil {
				t.Fatal(err)
			}
			for _, c := range written(b, env) {
				if strings.HasPrefix(c, "ST=") && tt.home != "" {
					t.Errorf("Set-Cookie = %q, want ST left alone", c)
				}
			}
			if w := handedOver(b, env); len(w) > 0 {
				t.Errorf("Set-Cookie = %q after the end, want none", w)
			}
		})
	}
}

func handedOver(b *session.Browser, env *store.Environment) []string {
	w := httptest.NewRecorder()
	b.HandOver(w, env)
	return w.Header().Values("Set-Cookie")
}

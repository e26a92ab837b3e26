package caddymodule_test

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

// TestAttack117BoundTokenAtTheGate: a gate exchanges a token that is bound to a key or a certificate for who proves to have that, and only where its client is
// declared to be the gate of the token's resource. Whoever has the token alone gets nothing: not of the gate, not after it has exchanged the token for
// its owner, and not with what the gate got.
func TestAttack117BoundTokenAtTheGate(t *testing.T) {
	as, gatePort, strangerPort := freePort(t), freePort(t), freePort(t)
	up := newUpstream(t)
	base := fmt.Sprintf("http://localhost:%d/%s/as", as, demoEnvironment)
	site := func(port int, client string) string {
		return fmt.Sprintf(`http://:%d {
			bearer_auth {
				issuer %s
				audience https://orders.example.com
				url %s
				dpop
				client_certificate {
					header Client-Cert
				}
				upstream {
					exchange {
						issuer %[2]s
						basic %[4]s %[4]s-secret
						audience https://stock.example.com
						timeout 1m
						insecure_loopback_http
					}
				}
			}
			reverse_proxy %[5]s
		}
		`, port, base, apiURL, client, up.Addr)
	}
	load(t, fmt.Sprintf(`servers {
		trusted_proxies static 127.0.0.1/32 ::1/128
	}
	gatehouse {
		storage sqlite {
			path %s/gatehouse.db
		}
		environment demo %s {
			issuer %s
			signing_algorithm ES256
			resource orders {
				audience https://orders.example.com
				scope orders:read
			}
			resource stock {
				audience https://stock.example.com
				scope stock:read
			}
			application plain {
				type service
				secret plain-secret
				allow orders:read stock:read
			}
			application keyed {
				type service
				secret keyed-secret
				dpop_bound
				allow orders:read stock:read
			}
			application certified {
				type service
				secret certified-secret
				certificate_bound
				allow orders:read stock:read
			}
			application gate {
				type service
				secret gate-secret
				grant token_exchange
				allow stock:read
				exchange_bound orders
			}
			application stranger {
				type service
				secret stranger-secret
				grant token_exchange
				allow stock:read
			}
		}
	}`, t.TempDir(), demoEnvironment, base), fmt.Sprintf(`http://localhost:%d {
		authorization_server {
			client_certificate {
				header Client-Cert
			}
		}
	}
	`, as)+site(gatePort, "gate")+site(strangerPort, "stranger"))
	gate, stranger := fmt.Sprintf("http://127.0.0.1:%d/x", gatePort), fmt.Sprintf("http://127.0.0.1:%d/x", strangerPort)

	key, otherKey := newProver(t), newProver(t)
	cert, otherCert := newCertificate(t, "client"), newCertificate(t, "client")
	own := func(id string, header func() []string) string {
		secret := base64.StdEncoding.EncodeToString([]byte(id + ":" + id + "-secret"))
		return tokenAt(t, client, base+"/token", url.Values{"scope": {"orders:read"}}, func() []string {
			return append(header(), "Authorization", "Basic "+secret)
		})
	}
	plain := own("plain", func() []string { return nil })
	keyed := own("keyed", func() []string { return []string{"Dpop", key.proof(t, "POST", base+"/token", "", "ath", nil)} })
	certified := own("certified", func() []string { return []string{"Client-Cert", cert.header()} })
	for _, at := range []string{gate, stranger} { // both exchange what is not bound
		got := get(t, at, plain)
		for until := time.Now().Add(time.Minute); got.Status == 503 && time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
			got = get(t, at, plain)
		}
		if got.Status != 200 || up.last() == nil {
			t.Fatalf("%s: a token that is not bound: status = %d, want 200", at, got.Status)
		}
	}
	proved := func() []string {
		return []string{"Authorization", "DPoP " + keyed, "Dpop", key.proof(t, "GET", apiURL+"/x", keyed)}
	}
	for _, tt := range []struct {
		name    string
		at      string
		headers []string
		want    int
	}{
		{"a key, as Bearer, before its owner came", gate, []string{"Authorization", "Bearer " + keyed}, 401},
		{"a certificate, without it, before its owner came", gate, []string{"Authorization", "Bearer " + certified}, 401},
		{"a key, proved", gate, proved(), 200},
		{"a certificate, presented", gate, []string{"Authorization", "Bearer " + certified, "Client-Cert", cert.header()}, 200},
		{"a key, as Bearer", gate, []string{"Authorization", "Bearer " + keyed}, 401},
		{"a key, without a proof", gate, []string{"Authorization", "DPoP " + keyed}, 401},
		{"a key, with another", gate, []string{"Authorization", "DPoP " + keyed, "Dpop", otherKey.proof(t, "GET", apiURL+"/x", keyed)}, 401},
		{"a certificate, without it", gate, []string{"Authorization", "Bearer " + certified}, 401},
		{"a certificate, with another", gate, []string{"Authorization", "Bearer " + certified, "Client-Cert", otherCert.header()}, 401},
		{"a key, proved once more", gate, proved(), 200},
		{"a key, proved, to whom nobody declared to be the gate", stranger, proved(), 401},
		{"a certificate, presented to that one", stranger, []string{"Authorization", "Bearer " + certified, "Client-Cert", cert.header()}, 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := get(t, tt.at, "", tt.headers...)
			if got.Status != tt.want {
				t.Fatalf("status = %d, want %d: %s", got.Status, tt.want, got.Body)
			}
			h := up.last()
			if tt.want != 200 {
				if h != nil {
					t.Errorf("the upstream was asked, with %v", h)
				}
				return
			}
			inner, ok := strings.CutPrefix(h.Get("Authorization"), "Bearer ")
			jws, err := jose.Parse(inner, jose.Limits{})
			if !ok || err != nil {
				t.Fatalf("Authorization at the upstream = %q, want a Bearer token (%v)", h.Get("Authorization"), err)
			}
			c, err := jws.Claims()
			if err != nil || len(c.Audience) != 1 || c.Audience[0] != "https://stock.example.com" || c.Has("cnf") {
				t.Errorf("the upstream's token is for %v, bound %t, want it for stock, and not bound (%v)", c.Audience, c.Has("cnf"), err)
			}
			if h.Get("Dpop") != "" {
				t.Error("the proof went on")
			}
			if back := get(t, gate, inner); back.Status != 401 || up.last() != nil {
				t.Errorf("what the upstream got opens the gate: %d, want 401", back.Status)
			}
		})
	}
}

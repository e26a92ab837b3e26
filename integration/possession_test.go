package integration_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"os"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// Clients that prove possession. The certificates' files end in .key, where no secret is looked for.
const (
	possessionEnv = `
			dpop_nonces
			mtls_url https://localhost:$MTLS/` + mainEnv + `/as
			client_ca_file $DIR/authority.pem.key
			application party-machine {
				type worker
				secret {env.PARTY_SECRET}
				allow orders:read
			}
			application party-dpop {
				type worker
				secret {env.PARTY_SECRET}
				dpop_bound
				allow orders:read
			}
			application party-tls {
				type web_app
				auth_method tls_client_auth
				tls_subject dn "CN=party-tls,O=Example"
				grant authorization_code refresh_token client_credentials
				certificate_bound
				pkce s256_required
				redirect_uri $PARTY/callback
				allow openid profile email offline_access orders:read
			}
			application party-self {
				type worker
				auth_method self_signed_tls_client_auth
				jwks_file $DIR/self.jwks.key
				certificate_bound
				allow orders:read
			}
			application party-bound {
				type worker
				secret {env.PARTY_SECRET}
				certificate_bound
				allow orders:read
			}`

	possessionSites = `
https://localhost:$MTLS {
	tls $DIR/tls.pem $DIR/tls.key {
		client_auth {
			mode request
		}
	}
	log
	authorization_server
}

https://localhost:$BOUND {
	tls $DIR/tls.pem $DIR/tls.key {
		client_auth {
			mode request
		}
	}
	log
	bearer_auth {
		issuer $ISSUER
		audience ` + orders + `
		scope orders:read
		url https://localhost:$BOUND
		dpop {
			nonce
		}
		client_certificate
	}
	reverse_proxy $UPSTREAM
}

https://localhost:$MORE {
	tls $DIR/tls.pem $DIR/tls.key
	log
	bearer_auth {
		issuer $ISSUER
		audience ` + orders + `
		scope orders:read
		url https://localhost:$MORE
		dpop
	}
	reverse_proxy $UPSTREAM
}
`
)

// TestPossession has tokens bound to keys and certificates by npm oauth4webapi.
func TestPossession(t *testing.T) {
	onEach(t, func(t *testing.T, store backend) {
		mustClients(t)
		authority, strangers := certificateAuthority(t, "Authority"), certificateAuthority(t, "Authority")
		of := map[string]issued{
			"tls": clientCertificate(t, "party-tls", &authority), "sibling": clientCertificate(t, "party-other", &authority),
			"impostor": clientCertificate(t, "party-tls", &strangers),
			"self":     clientCertificate(t, "party-self", nil), "twin": clientCertificate(t, "party-self", nil),
		}
		set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{
			Key: of["self"].key.Public(), KeyID: "self-1", Use: "sig", Algorithm: "ES256", Certificates: []*x509.Certificate{of["self"].certificate},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		p := prepareParty(t, store, "", possessionSites, possessionEnv)
		p.keep(t, "authority.pem.key", []byte(authority.pem()))
		p.keep(t, "self.jwks.key", set)
		p.run(t)

		ca, err := os.ReadFile(p.ca)
		if err != nil {
			t.Fatal(err)
		}
		kit := map[string]any{
			"issuer": p.vars["ISSUER"], "redirect_uri": p.app.base + "/callback", "secret": partySecret, "ca": string(ca), "mtls_port": p.vars["MTLS"],
			"api": "https://" + p.host("bound") + "/", "plain_api": "https://" + p.host("more") + "/", "unbound_api": "https://" + p.addr("api") + "/",
			"key": jose.JSONWebKey{Key: rsaKey("party"), KeyID: partyKeyID, Algorithm: "RS256", Use: "sig"},
		}
		for name, c := range of {
			kit[name] = map[string]any{"certificate": map[string]string{"cert": c.pem(), "key": c.keyPEM(t)}}
			p.secret("a client's key", c.keyPEM(t))
			p.secret("a client's certificate", base64.StdEncoding.EncodeToString(c.certificate.Raw))
		}
		p.runScript(t, "possession.mjs", kit)
	})
}

package directory_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// FuzzApplication: whatever a body says, an application is made of it or refused
// as the client's mistake; one that is made is read as it was answered, and
// comes to a client.
func FuzzApplication(f *testing.F) {
	for _, seed := range []string{
		webApp(), workerApp(), `{}`, `null`, webApp("mobile", jsonObject{"integrityDetection": jsonObject{"googlePlay": nil}}),
		webApp("mobile", jsonObject{"integrityDetection": jsonObject{"googlePlay": jsonObject{"decryptionKey": "x"}}}),
		webApp("corsSettings", jsonObject{"behavior": "ALLOW_SPECIFIC_ORIGINS", "origins": texts{"https://*.a.example:1", "[::1]", ":1", "a:b"}}),
		webApp("jwks", publicJWKS), webApp("jwks", `{"keys":[{"kty":"oct","k":"AA"}]}`), webApp("signing", jsonObject{"keyRotationPolicy": nil}),
		webApp("clientId", "abcdefgh", "clientSecret", "12345678"), webApp("redirectUris", texts{"https://a.example/%2*", "*", "https://*", "a:*"}),
		webApp("icon", jsonObject{}, "accessControl", jsonObject{"group": nil, "role": jsonObject{}}, "template", "\u0000"),
		webApp("devicePathId", "", "parTimeout", -1, "refreshTokenRollingDuration", -1, "refreshTokenDuration", 0),
	} {
		f.Add([]byte(seed))
	}
	k := newAppKit(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		k.t = t
		d := new(directory.Application)
		if json.Unmarshal(body, d) != nil {
			return
		}
		it, err := k.writer.Create(t.Context(), directory.Actor{}, k.env, directory.New{ID: string(d.ClientID), Document: d})
		if err != nil {
			if e := oauth.From(err); e.Status >= http.StatusInternalServerError || len(e.Details) == 0 {
				t.Fatalf("%s: %v", body, err)
			}
			return
		}
		again, err := k.live.Item(t.Context(), k.env, store.KindApplication, "", it.ID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(appMembers(t, it), appMembers(t, again)); diff != "" {
			t.Errorf("%s: read otherwise than answered:\n%s", body, diff)
		}
		c := k.client(it.ID)
		if c.AuthMethod == "" || c.AuthMethod == oauth.AuthNone != (len(c.Secrets) == 0 && c.AuthMethod != oauth.AuthPrivateKeyJWT) {
			t.Errorf("%s: method %q with %d secrets", body, c.AuthMethod, len(c.Secrets))
		}
		if _, err := k.replace(again, new(directory.Application), string(it.Data)); err != nil {
			t.Errorf("%s: what was answered is refused: %v", it.Data, err)
		}
		if err := k.remove(again); err != nil {
			t.Fatal(err)
		}
	})
}

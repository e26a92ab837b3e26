package clientauth

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// verifyPrivateKeyJWT verifies an assertion with the client's public keys
// (OIDC Core §9, private_key_jwt). A caller that has none gets a signature
// verified all the same, with a key of nobody.
func (a *Authenticator) verifyPrivateKeyJWT(ctx context.Context, p *presented, reg registration) error {
	if why := reg.usable(oauth.AuthPrivateKeyJWT); why != "" {
		if key := nobody(p.jws.Header.Algorithm); key != nil {
			_ = p.jws.Verify(key)
		}
		return reg.refuse(why)
	}
	key, err := a.Keys.Find(ctx, reg.client, &p.jws.Header)
	switch {
	case err != nil:
		return unavailable(fmt.Errorf("key set of client %q: %w", reg.client.ID, err))
	case key == nil:
		return reg.refuse("no key fits its assertion")
	}
	if err := p.jws.Verify(key); err != nil {
		return reg.refuse("its assertion: " + err.Error())
	}
	return nil
}

// nobody gives a key that verifies alg and authenticates no one, or nil.
func nobody(alg string) *jose.Key {
	kid := strings.Replace(alg[:2], "PS", "RS", 1)
	return published().Find(&jose.Header{Algorithm: alg, KeyID: kid, HasKeyID: true})
}

// published are the examples of RFC 7515 A.2.1 and A.3.1 and RFC 8037 A.2:
// everyone has their private halves.
var published = sync.OnceValue(func() *jose.KeySet {
	set, _, err := jose.ParseKeySet([]byte(`{"keys":[
	{"kid":"RS","kty":"RSA","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"},
	{"kid":"ES","kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},
	{"kid":"Ed","kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`), jose.KeySetLimits{})
	if err != nil {
		panic(err) // a constant
	}
	return set
})

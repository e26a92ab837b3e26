package token

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/keys"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// typeIDToken is the typ header of ID tokens and signed UserInfo answers.
const typeIDToken = "JWT"

// IDTokens makes ID tokens (OIDC Core §2). Safe for concurrent use.
type IDTokens struct {
	Keys *keys.Rings
	Now  func() time.Time
	// Directory says what scopes and claims are.
	Directory OpenIDs
}

// IDToken is what one is to say.
type IDToken struct {
	Client      *store.Client
	On          SignedOn
	Nonce       string
	AccessToken string // for at_hash; "" for none
	Code        string // for c_hash; "" for none
	State       string // for s_hash; "" for none
	// User is the person, about whom the token has claims as far as the client may have them; nil for none.
	User *store.User
	// Scope was granted. The claims that it gives are in the token where ScopeClaims says so, because nobody can
	// ask UserInfo for them (OIDC Core §5.4).
	Scope       []string
	ScopeClaims bool
	// Asked are the claims that the claims parameter asked for the ID token.
	Asked map[string]oauth.ClaimRequest
}

// Mint signs one. It lives for an hour. When keys or directory cannot be had it
// is temporarily_unavailable.
func (t *IDTokens) Mint(ctx context.Context, env *store.Environment, id IDToken) (string, error) {
	signer, err := t.Keys.SignerFor(ctx, env, id.Client.KeyRotationPolicy)
	if err != nil {
		return "", unavailable(err)
	}
	claims, err := idClaims(env, &id, signer.Algorithm(), t.Now().UTC().Truncate(time.Second))
	if err != nil {
		return "", err
	}
	if id.User != nil {
		o, err := openID(ctx, t.Directory, env)
		if err != nil {
			return "", err
		}
		claims = person(claims, o, id.Client, Claims(o, id.User, id.Scope, id.ScopeClaims, id.Asked), attributes(id.Client, id.User, id.Scope, inIDToken))
	}
	claims = append(claims, '}')
	raw, err := signAs(signer, id.Client.IncludeX5T, typeIDToken, claims)
	if err != nil {
		return "", fmt.Errorf("sign ID token: %w", err)
	}
	return raw, nil
}

// signAs signs a token, with x5t where its client wants that.
func signAs(signer *jose.SigningKey, x5t bool, typ string, claims []byte) (string, error) {
	if x5t {
		return signer.SignTraced(typ, claims)
	}
	return signer.Sign(typ, claims)
}

// idClaims encodes what the token says of itself in a fixed order; the object stays open.
func idClaims(env *store.Environment, id *IDToken, alg string, now time.Time) ([]byte, error) {
	b := make([]byte, 0, 1024)
	b = append(b, '{')
	b = member(b, "iss", env.Issuer)
	sub := id.On.Subject
	if id.User != nil {
		if sub = SubjectFor(id.Client, id.User); sub == "" {
			return nil, noSubject()
		}
	}
	b = member(b, "sub", sub)
	if sub != id.On.Subject {
		b = member(b, claimSubject, id.On.Subject) // for us, when the client shows the token again
	}
	b = member(b, "aud", id.Client.ID)
	b = seconds(b, "iat", now)
	b = seconds(b, "exp", now.Add(store.IDTokenTTL))
	b = signedOn(b, id.On.AuthTime, id.On.ACR, id.On.AMR)
	if id.Nonce != "" {
		b = member(b, "nonce", id.Nonce)
	}
	if id.On.Session != "" {
		b = member(b, "sid", id.On.Session)
	}
	for _, hashed := range [...]struct{ name, value string }{
		{"at_hash", id.AccessToken}, {"c_hash", id.Code}, {"s_hash", id.State},
	} {
		if hashed.value == "" {
			continue
		}
		half, err := jose.LeftHash(alg, hashed.value)
		if err != nil {
			return nil, err
		}
		b = member(b, hashed.name, half)
	}
	if env.VendorClaims {
		b = member(b, "env", env.ID)
		if env.Organization != "" {
			b = member(b, "org", env.Organization)
		}
	}
	return b, nil
}

// signedOn encodes how a person signed on; what is not known is left out.
func signedOn(b []byte, at time.Time, acr string, amr []string) []byte {
	if !at.IsZero() {
		b = seconds(b, "auth_time", at)
	}
	if acr != "" {
		b = member(b, "acr", acr)
	}
	if len(amr) > 0 {
		b = array(b, "amr", amr)
	}
	return b
}

// person encodes, by name, claims about a person that client may have, and those
// that are mapped for it, which replace them: nil means left out.
func person(b []byte, o *store.OpenID, client *store.Client, claims, mapped map[string]any) []byte {
	given := make(map[string]any, len(claims)+len(mapped))
	for name, v := range claims {
		if _, added := o.Claims[name]; !added && reserved(name) {
			continue
		}
		if mayHave(o, client, name) {
			given[name] = v
		} else if part := partOfAddress(o, client, name, v); len(part) > 0 {
			given[name] = part
		}
	}
	for name, v := range mapped {
		if given[name] = v; v == nil || store.ReservedAttribute(name) {
			delete(given, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		value, err := json.Marshal(given[name])
		if err != nil {
			continue // nothing that JSON has a word for
		}
		quoted := text(nil, name)
		if b[len(b)-1] != '{' {
			b = append(b, ',')
		}
		b = append(append(append(b, quoted...), ':'), value...)
	}
	return b
}

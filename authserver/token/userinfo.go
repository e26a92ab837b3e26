package token

import (
	"context"
	"fmt"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// UserInfo encodes the answer of the UserInfo endpoint (OIDC Core §5.3.2): sub,
// and what the token of p shows of user, as far as client may have it, with the
// claims that are mapped for the client. o is what claims are in the environment.
func UserInfo(o *store.OpenID, client *store.Client, user *store.User, p *Person) []byte {
	return append(userInfo(append(make([]byte, 0, 512), '{'), o, client, user, p), '}')
}

// UserInfo signs that answer, for the client alone: with iss and aud.
func (t *IDTokens) UserInfo(ctx context.Context, env *store.Environment, o *store.OpenID, client *store.Client, user *store.User, p *Person) (string, error) {
	signer, err := t.Keys.SignerFor(ctx, env, client.KeyRotationPolicy)
	if err != nil {
		return "", unavailable(err)
	}
	b := append(make([]byte, 0, 512), '{')
	b = member(b, "iss", env.Issuer)
	b = member(b, "aud", client.ID)
	raw, err := signAs(signer, client.IncludeX5T, typeIDToken, append(userInfo(b, o, client, user, p), '}'))
	if err != nil {
		return "", fmt.Errorf("sign UserInfo answer: %w", err)
	}
	return raw, nil
}

func userInfo(b []byte, o *store.OpenID, client *store.Client, user *store.User, p *Person) []byte {
	b = member(b, "sub", SubjectFor(client, user))
	claims := map[string]any{}
	addScopeClaims(o, user, p.Scope, toUserInfo, claims)
	for _, name := range p.UserInfo {
		if v, ok := told(o, user, name, toUserInfo); ok {
			claims[name] = v
		}
	}
	return person(b, o, client, claims, attributes(client, user, p.Scope, inUserInfo))
}

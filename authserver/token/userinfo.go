package token

import (
	"context"
	"fmt"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// UserInfo encodes the answer of the UserInfo endpoint (OIDC Core §5.3.2): sub,
// and what the token of p shows of user, as far as client may have it, with the
// claims that are mapped for the client.
func UserInfo(client *store.Client, user *store.User, p *Person) []byte {
	return append(userInfo(append(make([]byte, 0, 512), '{'), client, user, p), '}')
}

// UserInfo signs that answer, for the client alone: with iss and aud.
func (t *IDTokens) UserInfo(ctx context.Context, env *store.Environment, client *store.Client, user *store.User, p *Person) (string, error) {
	signer, err := t.Keys.SignerFor(ctx, env, client.KeyRotationPolicy)
	if err != nil {
		return "", unavailable(err)
	}
	b := append(make([]byte, 0, 512), '{')
	b = member(b, "iss", env.Issuer)
	b = member(b, "aud", client.ID)
	raw, err := signAs(signer, client.IncludeX5T, typeIDToken, append(userInfo(b, client, user, p), '}'))
	if err != nil {
		return "", fmt.Errorf("sign UserInfo answer: %w", err)
	}
	return raw, nil
}

func userInfo(b []byte, client *store.Client, user *store.User, p *Person) []byte {
	single := make(map[string]oauth.ClaimRequest, len(p.UserInfo))
	for _, name := range p.UserInfo {
		single[name] = oauth.ClaimRequest{}
	}
	b = member(b, "sub", user.ID)
	return person(b, client, Claims(user, p.Scope, true, single), attributes(client, user, inUserInfo))
}

package declared

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

func (e *environment) addResources(resources []Resource) error {
	names, audiences := map[string]bool{}, map[string]bool{}
	for i := range resources {
		c := &resources[i]
		r, err := e.resource(c)
		switch {
		case err != nil:
		case names[c.Name]:
			err = fmt.Errorf("name is declared twice")
		case e.resources[r.ID] != nil:
			err = fmt.Errorf("id %q is declared twice", r.ID)
		case audiences[r.Audience]:
			err = fmt.Errorf("audience %q is declared twice", r.Audience)
		}
		if err != nil {
			return fmt.Errorf("resource %q: %w", c.Name, err)
		}
		names[c.Name], audiences[r.Audience] = true, true
		e.resources[r.ID] = r
		e.where[place{store.KindResource, r.ID}] = c.DeclaredAt
	}
	return nil
}

func (e *environment) resource(c *Resource) (*store.Resource, error) {
	r := &store.Resource{
		Environment: e.record.ID, ID: or(c.ID, c.Name), Name: c.Name, Audience: or(c.Audience, c.Name),
		Scopes: slices.Clone(c.Scopes), AccessTokenTTL: time.Duration(c.AccessTokenTTL),
		IntrospectionAuth: or(c.IntrospectionAuth, oauth.AuthClientSecretBasic),
	}
	if c.Secret != "" {
		r.Secret = []byte(c.Secret)
	}
	if r.AccessTokenTTL == 0 {
		r.AccessTokenTTL = store.DefaultAccessTokenTTL
	}
	switch {
	case c.Name == "":
		return nil, fmt.Errorf("name is missing")
	case strings.Contains(c.Name, "/"):
		return nil, fmt.Errorf("name must not contain a slash")
	case r.ID == store.ResourceOpenID || r.ID == store.ResourcePingOne:
		return nil, fmt.Errorf("id %q is reserved", r.ID)
	case !printable(r.ID):
		return nil, fmt.Errorf("id %q has characters outside printable ASCII", r.ID)
	case r.Audience == e.record.APIAudience:
		return nil, fmt.Errorf("audience %q is the management API's", r.Audience)
	case strings.Contains(r.Audience, "#"):
		return nil, fmt.Errorf("audience %q has a fragment", r.Audience)
	case r.AccessTokenTTL < store.MinAccessTokenTTL || r.AccessTokenTTL > store.MaxAccessTokenTTL:
		return nil, fmt.Errorf("access_token_ttl %v is outside %v to %v", r.AccessTokenTTL, store.MinAccessTokenTTL, store.MaxAccessTokenTTL)
	case r.AccessTokenTTL%time.Second != 0:
		return nil, fmt.Errorf("access_token_ttl %v is not whole seconds", r.AccessTokenTTL)
	}
	switch r.IntrospectionAuth {
	case oauth.AuthClientSecretBasic, oauth.AuthClientSecretPost:
		if c.Secret != "" && len(c.Secret) < minSecret {
			return nil, fmt.Errorf("secret has fewer than %d bytes", minSecret)
		}
	case oauth.AuthNone:
		if c.Secret != "" {
			return nil, fmt.Errorf("secret is never used with introspection_auth none")
		}
	default:
		return nil, fmt.Errorf("introspection_auth %q is none of client_secret_basic, client_secret_post, none", r.IntrospectionAuth)
	}
	var err error
	if r.Attributes, err = records(c.Attributes, func(a store.ResourceAttribute) string { return a.Claim }); err != nil {
		return nil, err
	}
	if r.Encryption, err = encryptionKey(c); err != nil {
		return nil, fmt.Errorf("encryption_key: %w", err)
	}
	seen := map[string]bool{}
	for _, s := range r.Scopes {
		switch {
		case !oauth.ValidScopeToken(s):
			return nil, fmt.Errorf("scope %q is malformed", s)
		case oauth.OpenIDScope(s) || oauth.PingOneScope(s):
			return nil, fmt.Errorf("scope %q belongs to a predefined resource", s)
		case seen[s]:
			return nil, fmt.Errorf("scope %q is declared twice", s)
		}
		seen[s] = true
	}
	return r, nil
}

// encryptionKey reads the key that JWTs for a resource are encrypted to, nil for none.
func encryptionKey(c *Resource) (*jose.EncryptionKey, error) {
	if c.EncryptionKeyFile == "" {
		if c.ContentEncryption != "" {
			return nil, fmt.Errorf("content_encryption is of no use without a key")
		}
		return nil, nil
	}
	text, err := readFile(c.EncryptionKeyFile)
	if err != nil {
		return nil, err
	}
	k, err := jose.ParseEncryptionKey(text, c.ContentEncryption)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.EncryptionKeyFile, err)
	}
	return k, nil
}

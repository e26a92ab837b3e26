package declared

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const (
	minSecret     = 8
	minHMACSecret = 32 // RFC 7518 §3.2 for HS256
	maxJWKSFile   = 1 << 20
)

func (e *environment) addApplications(applications []Application) error {
	for i := range applications {
		a := &applications[i]
		c, err := e.client(a)
		switch {
		case err != nil:
		case e.clients[c.ID] != nil:
			err = fmt.Errorf("client_id is declared twice")
		case e.resources[c.ID] != nil:
			// Both present their id as client_id to the introspection endpoint.
			err = fmt.Errorf("client_id is also the id of a resource")
		}
		if err != nil {
			return fmt.Errorf("application %q: %w", a.ClientID, err)
		}
		e.clients[c.ID] = c
		e.where[place{store.KindApplication, c.ID}] = a.DeclaredAt
	}
	return nil
}

func (e *environment) client(a *Application) (*store.Client, error) {
	c := &store.Client{
		Environment: e.record.ID, ID: a.ClientID, Name: or(a.Name, a.ClientID),
		Type: store.ApplicationType(strings.ToUpper(a.Type)), Enabled: !a.Disabled, Declared: true,
		AuthMethod: a.AuthMethod, Roles: slices.Clone(a.Roles), MultipleResources: a.MultipleResources,
		RedirectURIs: slices.Clone(a.RedirectURIs),
	}
	if a.ClientID == "" || !printable(a.ClientID) {
		return nil, fmt.Errorf("client_id must be printable ASCII")
	}
	switch c.Type {
	case store.WebApp, store.NativeApp, store.SinglePageApp, store.Worker, store.Service, store.CustomApp:
	case "":
		return nil, fmt.Errorf("type is missing")
	default:
		return nil, fmt.Errorf("type %q is none of web_app, native_app, single_page_app, worker, service, custom_app", a.Type)
	}
	if len(a.Roles) > 0 && c.Type != store.Worker {
		return nil, fmt.Errorf("role is for workers only")
	}
	if err := setGrantTypes(c, a.Grants); err != nil {
		return nil, err
	}
	if err := setAuthentication(c, a); err != nil {
		return nil, err
	}
	for _, raw := range a.RedirectURIs {
		if err := checkRedirectURI(raw); err != nil {
			return nil, fmt.Errorf("redirect_uri %w", err)
		}
		if err := checkWildcard(raw, a.WildcardRedirectURIs); err != nil {
			return nil, fmt.Errorf("redirect_uri: %w", err)
		}
	}
	if err := setSignIn(c, a, e.record.Strict); err != nil {
		return nil, err
	}
	if err := setBinding(c, a, e.record); err != nil {
		return nil, err
	}
	if err := e.setExchangeBound(c, a.ExchangeBound); err != nil {
		return nil, err
	}
	return c, e.setAllowed(c, a.Allow)
}

// unattended reports whether the type acts without a user, and so must be able
// to prove who it is.
func unattended(t store.ApplicationType) bool { return t == store.Worker || t == store.Service }

func setGrantTypes(c *store.Client, names []string) error {
	if len(names) == 0 {
		if unattended(c.Type) {
			names = []string{oauth.GrantClientCredentials}
		} else {
			names = []string{oauth.GrantAuthorizationCode}
		}
	}
	for _, name := range names {
		switch name {
		case "device_code":
			name = oauth.GrantDeviceCode
		case "token_exchange":
			name = oauth.GrantTokenExchange
		case "ciba":
			name = oauth.GrantCIBA
		case oauth.GrantAuthorizationCode, oauth.GrantClientCredentials, oauth.GrantRefreshToken, oauth.GrantImplicit,
			oauth.GrantDeviceCode, oauth.GrantTokenExchange, oauth.GrantCIBA:
		default:
			return fmt.Errorf("grant %q is none of authorization_code, client_credentials, refresh_token, implicit, device_code, token_exchange, ciba", name)
		}
		if slices.Contains(c.GrantTypes, name) {
			return fmt.Errorf("grant %s is listed twice", name)
		}
		c.GrantTypes = append(c.GrantTypes, name)
	}
	return nil
}

func setAuthentication(c *store.Client, a *Application) error {
	if c.AuthMethod == "" {
		c.AuthMethod = oauth.AuthClientSecretBasic
		if c.Type == store.NativeApp || c.Type == store.SinglePageApp {
			c.AuthMethod = oauth.AuthNone
		}
	}
	if a.Secret == "" && len(a.PreviousSecrets) > 0 {
		return fmt.Errorf("previous_secret is declared without secret")
	}
	if a.Secret != "" {
		c.Secrets = append(c.Secrets, store.ClientSecret{Value: []byte(a.Secret)})
	}
	for _, p := range a.PreviousSecrets {
		if p.Until.IsZero() {
			return fmt.Errorf("previous_secret has no end")
		}
		c.Secrets = append(c.Secrets, store.ClientSecret{Value: []byte(p.Secret), Expires: p.Until.UTC()})
	}
	least := 0
	switch c.AuthMethod {
	case oauth.AuthClientSecretBasic, oauth.AuthClientSecretPost:
		least = minSecret
	case oauth.AuthClientSecretJWT:
		least = minHMACSecret
	case oauth.AuthPrivateKeyJWT, oauth.AuthTLSClient, oauth.AuthSelfSignedTLS:
	case oauth.AuthNone:
		if unattended(c.Type) {
			return fmt.Errorf("auth_method none is refused for workers and services")
		}
		if slices.Contains(c.GrantTypes, oauth.GrantClientCredentials) {
			return fmt.Errorf("auth_method none is refused with grant client_credentials")
		}
		if a.Secret != "" {
			return fmt.Errorf("secret is never used with auth_method none")
		}
	default:
		return fmt.Errorf("auth_method %q is none of client_secret_basic, client_secret_post, client_secret_jwt, private_key_jwt, tls_client_auth, self_signed_tls_client_auth, none", a.AuthMethod)
	}
	if least > 0 && len(c.Secrets) == 0 {
		return fmt.Errorf("secret is missing, which auth_method %s needs", c.AuthMethod)
	}
	for _, s := range c.Secrets {
		if len(s.Value) < max(least, minSecret) {
			return fmt.Errorf("secret has fewer than %d bytes, the least for auth_method %s", max(least, minSecret), c.AuthMethod)
		}
	}
	return setKeys(c, a)
}

func setKeys(c *store.Client, a *Application) error {
	sources := 0
	for _, given := range []bool{len(a.JWKS) > 0, a.JWKSFile != "", a.JWKSURI != ""} {
		if given {
			sources++
		}
	}
	switch {
	case sources > 1:
		return fmt.Errorf("more than one of jwks, jwks_file and jwks_uri is given")
	case sources == 0 && (c.AuthMethod == oauth.AuthPrivateKeyJWT || c.AuthMethod == oauth.AuthSelfSignedTLS):
		return fmt.Errorf("jwks, jwks_file or jwks_uri is missing, which auth_method %s needs", c.AuthMethod)
	}
	if a.JWKSURI != "" {
		u, err := url.Parse(a.JWKSURI)
		if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "" {
			return fmt.Errorf("jwks_uri %q is not a plain https URL", a.JWKSURI)
		}
		c.JWKSURI = a.JWKSURI
		return nil
	}
	text, option := []byte(a.JWKS), "jwks"
	// PingOne writes the set as a JSON string; both forms are read.
	var quoted string
	if json.Unmarshal(text, &quoted) == nil {
		text = []byte(quoted)
	}
	if a.JWKSFile != "" {
		var err error
		if text, err = readFile(a.JWKSFile); err != nil {
			return fmt.Errorf("jwks_file: %w", err)
		}
		option = "jwks_file"
	}
	if len(text) == 0 {
		return nil
	}
	var set struct {
		Keys []map[string]any `json:"keys"`
	}
	if json.Unmarshal(text, &set) != nil || len(set.Keys) == 0 {
		return fmt.Errorf("%s is not a JWK Set with keys", option)
	}
	for i, key := range set.Keys {
		for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
			if _, found := key[private]; found {
				return fmt.Errorf("%s: key %d is not public: it has the member %q", option, i+1, private)
			}
		}
	}
	c.JWKS = text
	return nil
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxJWKSFile+1))
	if err == nil && len(b) > maxJWKSFile {
		err = errors.New("larger than 1 MiB")
	}
	return b, err
}

// setAllowed resolves scope names to grants on resources.
func (e *environment) setAllowed(c *store.Client, allow []string) error {
	grant := func(resource, scope string) {
		if c.Grants == nil {
			c.Grants = map[string][]string{}
		}
		if !slices.Contains(c.Grants[resource], scope) {
			c.Grants[resource] = append(c.Grants[resource], scope)
		}
	}
	for _, name := range allow {
		if oauth.OpenIDScope(name) {
			grant(store.ResourceOpenID, name)
			continue
		}
		if oauth.PingOneScope(name) {
			grant(store.ResourcePingOne, name)
			continue
		}
		var found []string // IDs of the resources that name means
		var scope string
		for _, r := range e.resources {
			if slices.Contains(r.Scopes, name) {
				found, scope = append(found, r.ID), name
			}
			if rest, ok := strings.CutPrefix(name, r.Name+"/"); ok && slices.Contains(r.Scopes, rest) {
				found, scope = append(found, r.ID), rest
			}
		}
		switch len(found) {
		case 0:
			return fmt.Errorf("allow: no resource has the scope %q", name)
		case 1:
			grant(found[0], scope)
		default:
			return fmt.Errorf("allow: several resources have the scope %q; write <resource>/%s", name, name)
		}
	}
	return nil
}

package caddymodule

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

func init() {
	httpcaddyfile.RegisterGlobalOption("gatehouse", parseGlobalOption)
}

// parseGlobalOption reads the gatehouse option into the gatehouse app.
func parseGlobalOption(d *caddyfile.Dispenser, existing any) (any, error) {
	if existing != nil {
		d.Next() // where it is
		return nil, d.Err("global option 'gatehouse' is repeated")
	}
	var app App
	if err := app.UnmarshalCaddyfile(d); err != nil {
		return nil, err
	}
	return httpcaddyfile.App{Name: "gatehouse", Value: caddyconfig.JSON(app, nil)}, nil
}

// UnmarshalCaddyfile reads the global option. Syntax:
//
//	gatehouse {
//	    storage     <backend> { … }
//	    secrets_key <key>
//	    notifier    outbox <directory> | smtp <host:port> { … }
//	    outbound    { … }
//	    insecure_unlimited <network...>
//	    api_url     <url>
//	    mtls_url    <url>
//	    client_ca_file <file>
//	    audit_retention <duration>
//	    environment <name> <uuid> { … }
//	    legacy      { … }
//	}
func (a *App) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the option's name
	if d.NextArg() {
		return d.Errf("gatehouse takes no argument, but has '%s'", d.Val())
	}
	var l legacyBlock
	if err := eachSubdirective(d, "gatehouse", map[string]option{
		"storage":            once(a.parseStorage(d)),
		"secrets_key":        once(oneString(d, &a.SecretsKey)),
		"notifier":           once(a.parseNotifier(d)),
		"outbound":           once(a.parseOutbound(d)),
		"insecure_unlimited": repeated(someStrings(d, &a.InsecureUnlimited)),
		"api_url":            once(oneString(d, &a.APIURL)),
		"mtls_url":           once(oneString(d, &a.MTLSURL)),
		"client_ca_file":     once(oneString(d, &a.ClientCAFile)),
		"audit_retention":    once(duration(d, func(v caddy.Duration) { a.AuditRetention = v })),
		"environment":        repeated(a.parseEnvironment(d)),
		"legacy":             once(func() error { return l.parse(d) }),
	}); err != nil {
		return err
	}
	a.Legacy = l.Legacy
	return l.declares(a.Environments)
}

func (a *App) parseStorage(d *caddyfile.Dispenser) func() error {
	return func() error {
		var backend string
		if err := oneString(d, &backend)(); err != nil {
			return err
		}
		id := storageNamespace + "." + backend
		if _, err := caddy.GetModule(id); err != nil {
			return d.Errf("storage: no backend '%s'; there are: %s", backend, knownBackends())
		}
		module, err := caddyfile.UnmarshalModule(d, id)
		if err != nil {
			return err
		}
		a.StorageRaw = caddyconfig.JSONModuleObject(module, "backend", backend, nil)
		return nil
	}
}

func (a *App) parseEnvironment(d *caddyfile.Dispenser) func() error {
	return func() error {
		e := declared.Environment{DeclaredAt: here(d)}
		if !d.Args(&e.Name, &e.ID) || e.Name == "" || e.ID == "" {
			return d.Err("environment needs a name and a UUID")
		}
		for _, other := range a.Environments {
			if other.Name == e.Name || other.ID == e.ID {
				return d.Errf("environment '%s' (%s) has the name or the id of an earlier one", e.Name, e.ID)
			}
		}
		if err := environmentBlock(d, &e); err != nil {
			return err
		}
		a.Environments = append(a.Environments, e)
		return nil
	}
}

func environmentBlock(d *caddyfile.Dispenser, e *declared.Environment) error {
	if d.NextArg() {
		return d.Errf("environment %s: unexpected '%s' behind the id", e.Name, d.Val())
	}
	return eachSubdirective(d, "environment "+e.Name, map[string]option{
		"issuer":              once(oneString(d, &e.Issuer)),
		"organization":        once(oneString(d, &e.Organization)),
		"api_audience":        once(oneString(d, &e.APIAudience)),
		"signing_algorithm":   once(oneString(d, &e.SigningAlgorithm)),
		"key_rotation":        once(keyRotation(d, e)),
		"access_token_type":   once(oneString(d, &e.AccessTokenType)),
		"access_token_format": once(oneString(d, &e.AccessTokenFormat)),
		"compat":              once(someStrings(d, &e.Compat)),
		"security_profile":    once(oneString(d, &e.SecurityProfile)),
		"domain":              repeated(someStrings(d, &e.Domains)),
		"vendor_claims":       once(flag(&e.VendorClaims)),
		"mtls_url":            once(oneString(d, &e.MTLSURL)),
		"client_ca_file":      once(oneString(d, &e.ClientCAFile)),
		"dpop_nonces":         once(flag(&e.DPoPNonces)),
		"sign_on":             once(func() error { return signOnBlock(d, e.Name, &e.SignOn) }),
		"branding":            once(func() error { return brandingBlock(d, e.Name, &e.Branding) }),
		"client_registration": once(func() error {
			return registrationBlock(d, e.Name, &e.Registration)
		}),
		"user": repeated(func() error {
			u := declared.User{DeclaredAt: here(d)}
			if err := userBlock(d, &u); err != nil {
				return err
			}
			e.Users = append(e.Users, u)
			return nil
		}),
		"resource": repeated(func() error {
			r := declared.Resource{DeclaredAt: here(d)}
			if err := resourceBlock(d, &r); err != nil {
				return err
			}
			e.Resources = append(e.Resources, r)
			return nil
		}),
		"application": repeated(func() error {
			a := declared.Application{DeclaredAt: here(d)}
			if err := applicationBlock(d, &a); err != nil {
				return err
			}
			e.Applications = append(e.Applications, a)
			return nil
		}),
	})
}

// here is the dispenser's place, for those who ask where something is declared. The
// directory is the server's own business.
func here(d *caddyfile.Dispenser) string {
	return filepath.Base(d.File()) + ":" + strconv.Itoa(d.Line())
}

func keyRotation(d *caddyfile.Dispenser, e *declared.Environment) func() error {
	return func() error {
		name := d.Val()
		v, err := nextDuration(d, name)
		if e.KeyRotation = declared.Duration(v); err != nil || d.CountRemainingArgs() == 0 {
			return err
		}
		v, err = nextDuration(d, name)
		e.KeyOverlap = declared.Duration(v)
		return err
	}
}

func declaredDuration(to *declared.Duration) func(caddy.Duration) {
	return func(v caddy.Duration) { *to = declared.Duration(v) }
}

func userBlock(d *caddyfile.Dispenser, u *declared.User) error {
	if err := oneString(d, &u.Username)(); err != nil {
		return err
	}
	if d.NextArg() {
		return d.Errf("user %s: unexpected '%s' behind the name", u.Username, d.Val())
	}
	return eachSubdirective(d, "user "+u.Username, map[string]option{
		"password": once(oneString(d, &u.Password)),
		"id":       once(oneString(d, &u.ID)),
		"disabled": once(flag(&u.Disabled)),
		"claim": repeated(func() error {
			var name string
			if !d.Args(&name) || name == "" || !d.NextArg() {
				return d.Errf("user %s: claim needs a name and a value", u.Username)
			}
			if _, ok := u.Claims[name]; ok {
				return d.Errf("user %s: claim '%s' is repeated", u.Username, name)
			}
			if u.Claims == nil {
				u.Claims = map[string]any{}
			}
			u.Claims[name] = claimValue(d)
			return nil
		}),
	})
}

// claimValue is the current token as a JSON value: a JSON object or array is
// that, quoted or not; unquoted, true, false and whole numbers are what they look
// like; the rest is text.
func claimValue(d *caddyfile.Dispenser) any {
	text := d.Val()
	if strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[") {
		if json.Valid([]byte(text)) {
			return json.RawMessage(text)
		}
	}
	if d.Token().Quoted() {
		return text
	}
	switch text {
	case "true":
		return true
	case "false":
		return false
	}
	// Round trip: 007 and +1 are text, and so is what a JSON number may not hold
	// exactly (RFC 8259 §6).
	const exact = 1<<53 - 1
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && -exact <= n && n <= exact && strconv.FormatInt(n, 10) == text {
		return n
	}
	return text
}

func resourceBlock(d *caddyfile.Dispenser, r *declared.Resource) error {
	if err := oneString(d, &r.Name)(); err != nil {
		return err
	}
	if d.NextArg() {
		return d.Errf("resource %s: unexpected '%s' behind the name", r.Name, d.Val())
	}
	return eachSubdirective(d, "resource "+r.Name, map[string]option{
		"id":                 once(oneString(d, &r.ID)),
		"audience":           once(oneString(d, &r.Audience)),
		"scope":              repeated(someStrings(d, &r.Scopes)),
		"access_token_ttl":   once(duration(d, declaredDuration(&r.AccessTokenTTL))),
		"secret":             once(oneString(d, &r.Secret)),
		"introspection_auth": once(oneString(d, &r.IntrospectionAuth)),
		"attribute":          repeated(resourceAttribute(d, r)),
		"encryption_key":     once(encryptionKey(d, r)),
	})
}

// encryptionKey reads a file's name and, perhaps, the content encryption.
func encryptionKey(d *caddyfile.Dispenser, r *declared.Resource) func() error {
	return func() error {
		if err := oneString(d, &r.EncryptionKeyFile)(); err != nil {
			return err
		}
		if d.NextArg() {
			if r.ContentEncryption = d.Val(); r.ContentEncryption == "" {
				return d.Errf("resource %s: encryption_key has an empty content encryption", r.Name)
			}
		}
		return nil
	}
}

func applicationBlock(d *caddyfile.Dispenser, a *declared.Application) error {
	if err := oneString(d, &a.ClientID)(); err != nil {
		return err
	}
	if d.NextArg() {
		return d.Errf("application %s: unexpected '%s' behind the client_id", a.ClientID, d.Val())
	}
	options := map[string]option{
		"name":               once(oneString(d, &a.Name)),
		"type":               once(oneString(d, &a.Type)),
		"secret":             once(oneString(d, &a.Secret)),
		"previous_secret":    repeated(previousSecret(d, a)),
		"auth_method":        once(oneString(d, &a.AuthMethod)),
		"tls_subject":        once(tlsSubject(d, a)),
		"dpop_bound":         once(flag(&a.DPoPBound)),
		"certificate_bound":  once(flag(&a.CertificateBound)),
		"exchange_bound":     repeated(someStrings(d, &a.ExchangeBound)),
		"jwks":               once(keySet(d, a)),
		"jwks_file":          once(oneString(d, &a.JWKSFile)),
		"jwks_uri":           once(oneString(d, &a.JWKSURI)),
		"grant":              repeated(someStrings(d, &a.Grants)),
		"redirect_uri":       repeated(someStrings(d, &a.RedirectURIs)),
		"allow":              repeated(someStrings(d, &a.Allow)),
		"role":               repeated(someStrings(d, &a.Roles)),
		"multiple_resources": once(flag(&a.MultipleResources)),
		"disabled":           once(flag(&a.Disabled)),
	}
	maps.Copy(options, signInOptions(d, &a.SignIn))
	options["attribute"] = repeated(attribute(d, a))
	return eachSubdirective(d, "application "+a.ClientID, options)
}

func previousSecret(d *caddyfile.Dispenser, a *declared.Application) func() error {
	return func() error {
		var secret, until string
		if !d.Args(&secret, &until) || secret == "" {
			return d.Errf("application %s: previous_secret needs a secret and a time", a.ClientID)
		}
		at, err := time.Parse(time.RFC3339, until)
		if err != nil {
			return d.Errf("application %s: previous_secret: '%s' is not an RFC 3339 time such as 2027-01-31T00:00:00Z", a.ClientID, until)
		}
		a.PreviousSecrets = append(a.PreviousSecrets, declared.PreviousSecret{Secret: secret, Until: at})
		return nil
	}
}

// tlsSubject reads the kind of a name and the name.
func tlsSubject(d *caddyfile.Dispenser, a *declared.Application) func() error {
	return func() error {
		var s declared.TLSSubject
		to := map[string]*string{"dn": &s.DN, "dns": &s.DNS, "uri": &s.URI, "ip": &s.IP, "email": &s.Email}
		var kind, name string
		if !d.Args(&kind, &name) || to[kind] == nil || name == "" {
			return d.Errf("application %s: tls_subject needs one of dn, dns, uri, ip and email, and a name", a.ClientID)
		}
		*to[kind] = name
		a.TLSSubject = &s
		return nil
	}
}

func keySet(d *caddyfile.Dispenser, a *declared.Application) func() error {
	return func() error {
		var text string
		if err := oneString(d, &text)(); err != nil {
			return err
		}
		if !json.Valid([]byte(text)) {
			return d.Errf("application %s: jwks is not JSON (quote it with backticks)", a.ClientID)
		}
		a.JWKS = json.RawMessage(text)
		return nil
	}
}

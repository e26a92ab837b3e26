package directory

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// client is the OAuth client that a stored application comes to: the same as if
// it were declared, but for whose word its addresses are. What the document says and no client has a word for, has no effect.
func (a *Application) client(ctx context.Context, w *whole) (*store.Client, error) {
	c := &store.Client{
		Environment: w.env.ID, ID: w.item.ID, Name: a.Name, Type: store.ApplicationType(a.Type), Enabled: a.Enabled, Managed: true,
		AuthMethod:   authMethods.oauth(a.TokenEndpointAuthMethod),
		RedirectURIs: a.RedirectURIs, WildcardRedirectURIs: truth(a.AllowWildcardInRedirectURIs),
		PostLogoutRedirectURIs: a.PostLogoutRedirectURIs,
		RefreshTokenTTL:        lasting(a.RefreshTokenDuration), RefreshTokenRolling: lasting(a.RefreshTokenRollingDuration),
		RefreshTokenGrace:     lasting(a.RefreshTokenRollingGracePeriodDuration),
		NoReplayProtection:    a.AdditionalRefreshTokenReplayProtectionEnabled != nil && !*a.AdditionalRefreshTokenReplayProtectionEnabled,
		PARRequired:           a.PARRequirement != nil && *a.PARRequirement == required,
		PARTimeout:            lasting(a.PARTimeout),
		UnsignedRequestObject: truth(a.SupportUnsignedRequestObject), SignedRequestObject: truth(a.RequireSignedRequestObject),
		IDPSignoff: truth(a.IDPSignoff), SessionCheck: truth(a.OPSessionCheckEnabled), IncludeX5T: truth(a.IncludeX5T),
		CORS:         a.origins(),
		LoginPageURL: text(a.LoginPageURL), InitiateLoginURI: text(a.InitiateLoginURI), ClientURI: text(a.HomePageURL),
		AccessTokenFormat: store.AccessTokenFormat(text(a.AccessTokenFormat)),
		DPoPBound:         truth(a.DPoPBoundAccessTokens), CertificateBound: truth(a.TLSClientCertificateBoundAccessTokens), TLSSubject: a.tlsSubject(),
		KeyRotationPolicy: SigningPolicy(w.env.ID, a.keyRotationPolicy()), MultipleResources: truth(a.RequestScopesForMultipleResourcesEnabled),
		AdministratorsOnly: a.AccessControl != nil && a.AccessControl.Role != nil,
		NobodySignsOn:      a.AccessControl != nil && a.AccessControl.Group != nil,
	}
	for _, name := range a.GrantTypes {
		if word := grantTypes.oauth(name); word != "" {
			c.GrantTypes = append(c.GrantTypes, word)
		}
	}
	c.ResponseTypes = a.effectiveResponseTypes()
	switch {
	case a.PKCEEnforcement == nil:
	case *a.PKCEEnforcement == required:
		c.PKCE = store.PKCERequired
	case *a.PKCEEnforcement == s256Required:
		c.PKCE = store.PKCES256Required
	}
	if a.Icon != nil {
		c.LogoURI = text(a.Icon.HREF)
	}
	c.JWKSURI = text(a.JWKSURL)
	if a.JWKS != nil {
		c.JWKS = []byte(*a.JWKS)
	}
	if a.UsesSecret() {
		for _, it := range w.of(store.KindSecret) {
			c.Secrets = it.Document.(*Secret).clientSecrets()
		}
	}
	if a.Worker() {
		c.Roles = RoleNames(w.of(store.KindRoleAssignment))
	}
	for _, it := range w.of(store.KindGrant) {
		if err := addGrant(ctx, w, c, it.Document.(*Grant)); err != nil {
			return nil, err
		}
	}
	for _, it := range w.of(store.KindApplicationAttribute) {
		mapping := it.Document.(*ApplicationAttribute)
		if mapping.MappingType == mappingCore {
			c.Subject = mapping.subject()
			continue
		}
		attribute, ok, err := mapping.attribute(ctx, w)
		if err != nil {
			return nil, err
		}
		if ok {
			c.Attributes = append(c.Attributes, attribute)
		}
	}
	slices.SortFunc(c.Attributes, func(a, b store.Attribute) int { return strings.Compare(a.Claim, b.Claim) })
	return c, nil
}

// addGrant adds the scopes of a grant that there still are, by name.
func addGrant(ctx context.Context, w *whole, c *store.Client, g *Grant) error {
	resource := GrantedResource(c.Environment, g.Resource.ID)
	for _, s := range g.Scopes {
		name, err := w.scopeName(ctx, g.Resource.ID, s.ID)
		if err != nil {
			return err
		}
		if name == "" || slices.Contains(c.Grants[resource], name) {
			continue
		}
		if c.Grants == nil {
			c.Grants = map[string][]string{}
		}
		c.Grants[resource] = append(c.Grants[resource], name)
	}
	return nil
}

// scopeName is the name of a scope; "" where there is no such one.
func (w *whole) scopeName(ctx context.Context, resource, id string) (string, error) {
	it, err := w.live.Item(ctx, w.env, store.KindScope, resource, id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return "", nil
	case err != nil:
		return "", err
	}
	return it.Document.Label(), nil
}

// effectiveResponseTypes are those given, as far as a grant type gives them, or what the grant
// types give where none is given.
func (a *Application) effectiveResponseTypes() []string {
	var list []string
	for _, part := range []struct{ name, grant string }{
		{responseCode, grantAuthorizationCode}, {responseToken, grantImplicit}, {responseIDToken, grantImplicit},
	} {
		if a.grants(part.grant) && (len(a.ResponseTypes) == 0 || slices.Contains(a.ResponseTypes, part.name)) {
			list = append(list, responseTypes.oauth(part.name))
		}
	}
	return list
}

// origins are those that may call, as they are written in an Origin header or with
// wildcards. One without a scheme is meant with either, http for this machine alone.
func (a *Application) origins() []string {
	if a.CORSSettings == nil || a.CORSSettings.Behavior != allowSpecificOrigins {
		return nil
	}
	var list []string
	for _, origin := range a.CORSSettings.Origins {
		if strings.Contains(origin, "://") {
			list = append(list, origin)
			continue
		}
		list = append(list, "https://"+origin)
		host, _, _ := strings.Cut(origin, ":")
		if ip, err := netip.ParseAddr(host); host == "localhost" || err == nil && ip.IsLoopback() {
			list = append(list, "http://"+origin)
		}
	}
	return list
}

// applicationOf is the document of a client that was declared or registered, in
// the words of the API.
func applicationOf(c *store.Client) *Application {
	a := &Application{
		Name: c.Name, Enabled: c.Enabled, Protocol: protocolOpenIDConnect, Type: string(c.Type),
		TokenEndpointAuthMethod:     authMethods.pingOne(c.AuthMethod),
		RedirectURIs:                slices.Clone(c.RedirectURIs),
		AllowWildcardInRedirectURIs: &c.WildcardRedirectURIs,
		PostLogoutRedirectURIs:      slices.Clone(c.PostLogoutRedirectURIs),
		PARTimeout:                  lastsOr(c.PARTimeout, store.DefaultPARTimeout),
		RefreshTokenDuration:        lastsOr(c.RefreshTokenTTL, store.DefaultRefreshTokenTTL),
		RefreshTokenRollingDuration: lasts(c.RefreshTokenRolling), RefreshTokenRollingGracePeriodDuration: lasts(c.RefreshTokenGrace),
		AccessTokenFormat:                        notEmpty(string(c.AccessTokenFormat)),
		RequestScopesForMultipleResourcesEnabled: &c.MultipleResources,
		JWKSURL:                                  notEmpty(c.JWKSURI), JWKS: notEmpty(string(c.JWKS)),
		SupportUnsignedRequestObject: &c.UnsignedRequestObject, RequireSignedRequestObject: &c.SignedRequestObject,
		IDPSignoff: &c.IDPSignoff, OPSessionCheckEnabled: &c.SessionCheck, IncludeX5T: &c.IncludeX5T,
		InitiateLoginURI: notEmpty(c.InitiateLoginURI), LoginPageURL: notEmpty(c.LoginPageURL), HomePageURL: notEmpty(c.ClientURI),
	}
	for _, name := range c.GrantTypes {
		if word := grantTypes.pingOne(name); word != "" {
			a.GrantTypes = append(a.GrantTypes, word)
		}
	}
	for _, name := range c.ResponseTypes {
		if word := responseTypes.pingOne(name); word != "" {
			a.ResponseTypes = append(a.ResponseTypes, word)
		}
	}
	protection := !c.NoReplayProtection
	a.AdditionalRefreshTokenReplayProtectionEnabled = &protection
	pkce, par := optional, optional
	if c.PKCE != store.PKCEOptional {
		pkce = string(c.PKCE)
	}
	if c.PARRequired {
		par = required
	}
	a.PKCEEnforcement, a.PARRequirement = &pkce, &par
	if len(c.CORS) > 0 {
		a.CORSSettings = &CORS{Behavior: allowSpecificOrigins, Origins: slices.Clone(c.CORS)}
	}
	if c.KeyRotationPolicy != "" {
		a.Signing = &Signing{KeyRotationPolicy: &Reference{c.KeyRotationPolicy}}
	}
	if c.LogoURI != "" {
		a.Icon = &Icon{HREF: notEmpty(c.LogoURI)}
	}
	a.fillBinding(c)
	a.fillDefaults()
	return a
}

// declaredApplications are the applications that configuration declares, or what
// belongs to them: of one kind, as the engine asks for it.
func declaredApplications(kind store.ObjectKind) func(*Live, *store.Environment) []Item {
	return func(l *Live, env *store.Environment) []Item {
		var list []Item
		for _, c := range l.Declared.DeclaredClients() {
			if c.Environment != env.ID {
				continue
			}
			where := l.Declared.DeclaredAt(env.ID, store.KindApplication, c.ID)
			for _, it := range applicationItems(env, c, kind) {
				it.Declared = where
				list = append(list, it)
			}
		}
		return list
	}
}

// registeredApplication is the same of a client that registered itself.
func registeredApplication(kind store.ObjectKind) func(*store.Environment, *store.Client) []Item {
	return func(env *store.Environment, c *store.Client) []Item { return applicationItems(env, c, kind) }
}

// applicationItems are an application that was declared or registered, and what
// belongs to it, of one kind.
func applicationItems(env *store.Environment, c *store.Client, kind store.ObjectKind) []Item {
	child := func(name string, d Document) Item {
		return Item{
			Object:   store.Object{ID: BuiltinID(env.ID, kind, c.ID+"\x00"+name), Parent: c.ID},
			Document: d,
		}
	}
	var list []Item
	switch kind {
	case store.KindApplication:
		list = append(list, Item{Object: store.Object{ID: c.ID}, Document: applicationOf(c)})
	case store.KindSecret:
		if s := secretOf(c.Secrets); s != nil {
			list = append(list, Item{Object: store.Object{ID: c.ID, Parent: c.ID}, Document: s})
		}
	case store.KindApplicationAttribute:
		core := coreMapping()
		core.Application.ID = c.ID
		list = append(list, child("sub", core))
		for _, a := range c.Attributes {
			list = append(list, child(a.Claim, mappingOf(c.ID, a)))
		}
	case store.KindGrant:
		for resource, names := range c.Grants {
			list = append(list, child(resource, grantOf(env, c.ID, resource, names)))
		}
	}
	return list
}

// grantOf is the document of a declared or registered grant.
func grantOf(env *store.Environment, application, resource string, names []string) *Grant {
	id := managedResource(env.ID, resource)
	g := &Grant{Resource: Reference{id}, Application: Reference{application}}
	for _, name := range names {
		// Scopes of the resources that every environment has are made in the same way.
		g.Scopes = append(g.Scopes, Reference{DeclaredScope(env.ID, id, name)})
	}
	return g
}

// managedResource is the ID that the API has for a key of store.Client.Grants.
func managedResource(environment, resource string) string {
	switch resource {
	case store.ResourceOpenID:
		return OpenIDResource(environment)
	case store.ResourcePingOne:
		return PingOneResource(environment)
	}
	return resource
}

// mappingOf is the document of a declared mapping.
func mappingOf(application string, a store.Attribute) *ApplicationAttribute {
	return &ApplicationAttribute{
		Name: a.Claim, Value: sourceText(a.From), MappingType: mappingCustom, IDToken: &a.IDToken, UserInfo: &a.UserInfo,
		Application: Reference{application},
	}
}

func truth(flag *bool) bool { return flag != nil && *flag }

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// notEmpty is nil for "".
func notEmpty(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func lasting(seconds *int64) time.Duration {
	if seconds == nil {
		return 0
	}
	return time.Duration(*seconds) * time.Second
}

// lasts is nil for 0.
func lasts(d time.Duration) *int64 {
	if d == 0 {
		return nil
	}
	n := seconds(d)
	return &n
}

func lastsOr(d, otherwise time.Duration) *int64 {
	if d == 0 {
		d = otherwise
	}
	return lasts(d)
}

package directory

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/pattern"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// maxApplication is the largest document of an application in bytes: each is held
// in memory by every node.
const maxApplication = 256 << 10

// maxOrigins is the most origins that an application trusts; maxURIs the most addresses that it has of one kind.
const (
	maxOrigins = 40
	maxURIs    = 500
)

// Check judges an application by PingOne's rules, and by those of the environment's
// security profile.
func (a *Application) Check(ctx context.Context, c *Checking) error {
	old, _ := c.Old.(*Application)
	a.keepDurations(old)
	a.keepBinding(old)
	a.fillDefaults()

	var j judge
	j.named("name", a.Name, maxName)
	a.checkKind(&j, old)
	a.checkAuthentication(&j)
	a.checkBinding(&j, c.Environment)
	a.checkGrants(&j)
	wildcard := a.checkRedirects(&j)
	a.checkDurations(&j)
	a.checkRequests(&j)
	a.checkKeys(&j)
	a.checkAddresses(&j)
	a.checkDevices(&j)
	a.checkDisplay(&j)
	a.checkAccess(&j)
	if c.Environment.Strict {
		a.checkStrict(&j)
	}
	if err := a.checkSigning(ctx, c, &j); err != nil {
		return err
	}
	if err := a.checkImport(ctx, c, &j); err != nil {
		return err
	}
	if err := a.checkSecret(ctx, c, old, &j); err != nil {
		return err
	}
	if b, err := json.Marshal(a); err != nil || len(b) > maxApplication {
		j.inner(map[string]any{"maximumValue": maxApplication}, SizeLimitExceeded, "", "must not have more than %d bytes", maxApplication)
	}
	if err := j.verdict(); err != nil {
		if wildcard {
			return aboutWildcards(err)
		}
		return err
	}
	return nil
}

// keepDurations keeps what cannot be taken back once it was said: PingOne's rule.
func (a *Application) keepDurations(old *Application) {
	if old == nil {
		return
	}
	if a.RefreshTokenDuration == nil {
		a.RefreshTokenDuration = old.RefreshTokenDuration
	}
	if a.RefreshTokenRollingDuration == nil {
		a.RefreshTokenRollingDuration = old.RefreshTokenRollingDuration
	}
}

// fillDefaults says those defaults that PingOne's API shows. Others are not there,
// or clients that compare would find what they did not send.
func (a *Application) fillDefaults() {
	for _, flag := range []**bool{
		&a.AllowWildcardInRedirectURIs, &a.RequestScopesForMultipleResourcesEnabled, &a.SupportUnsignedRequestObject,
		&a.RequireSignedRequestObject, &a.IDPSignoff, &a.OPSessionCheckEnabled, &a.IncludeX5T, &a.HiddenFromAppPortal,
	} {
		defaulted(flag, false)
	}
	defaulted(&a.AdditionalRefreshTokenReplayProtectionEnabled, true)
	defaulted(&a.PKCEEnforcement, optional)
	defaulted(&a.PARRequirement, optional)
	defaulted(&a.PARTimeout, seconds(store.DefaultPARTimeout))
	defaulted(&a.DeviceTimeout, 600)
	defaulted(&a.DevicePollingInterval, 5)
	refresh := seconds(store.DefaultRefreshTokenTTL)
	if rolling := a.RefreshTokenRollingDuration; rolling != nil {
		refresh = max(60, min(refresh, *rolling))
	}
	defaulted(&a.RefreshTokenDuration, refresh)
	a.Mobile, a.Template = notNull(a.Mobile), notNull(a.Template)
}

// checkKind wants what an application is, which never changes.
func (a *Application) checkKind(j *judge, old *Application) {
	j.oneOf("protocol", a.Protocol, protocolOpenIDConnect)
	if j.oneOf("type", a.Type, applicationTypes...) && old != nil && a.Type != old.Type {
		j.add(InvalidValue, "type", "cannot be changed")
	}
}

func (a *Application) checkAuthentication(j *judge) {
	if !j.oneOf("tokenEndpointAuthMethod", a.TokenEndpointAuthMethod, authMethods.names()...) || a.TokenEndpointAuthMethod != authNone {
		return
	}
	switch {
	case a.unattended():
		j.add(InvalidValue, "tokenEndpointAuthMethod", "must not be %s for an application of the type %s", authNone, a.Type)
	case a.grants(grantClientCredentials):
		j.add(InvalidValue, "tokenEndpointAuthMethod", "must not be %s where grantTypes has %s", authNone, grantClientCredentials)
	}
}

// checkGrants wants grant types, and response types that one of them gives.
func (a *Application) checkGrants(j *judge) {
	j.eachOf("grantTypes", a.GrantTypes, grantTypes.names()...)
	j.eachOf("responseTypes", a.ResponseTypes, responseTypes.names()...)
	for _, name := range a.ResponseTypes {
		switch needs := grantImplicit; {
		case name == responseCode && !a.grants(grantAuthorizationCode):
			j.add(InvalidValue, "responseTypes", "%s needs %s in grantTypes", name, grantAuthorizationCode)
		case name == responseToken && a.grants(grantClientCredentials):
			// PingOne's own console says so of workers. It has no effect.
		case (name == responseToken || name == responseIDToken) && !a.grants(needs):
			j.add(InvalidValue, "responseTypes", "%s needs %s in grantTypes", name, needs)
		}
	}
}

// noWildcards begins what clients look for.
const noWildcards = "Wildcards are not allowed in redirect URIs."

func (a *Application) checkDurations(j *judge) {
	j.within("refreshTokenDuration", a.RefreshTokenDuration, 60, maxDuration)
	j.within("refreshTokenRollingDuration", a.RefreshTokenRollingDuration, 60, maxDuration)
	if rolling := a.RefreshTokenRollingDuration; rolling != nil && *rolling < *a.RefreshTokenDuration && len(j.problems) == 0 {
		j.inner(map[string]any{"rangeMinimumValue": *a.RefreshTokenDuration, "rangeMaximumValue": maxDuration}, OutOfRange,
			"refreshTokenRollingDuration", "must not be less than refreshTokenDuration")
	}
	j.within("refreshTokenRollingGracePeriodDuration", a.RefreshTokenRollingGracePeriodDuration, 0, 86400)
	if a.RefreshTokenType != nil {
		j.oneOf("refreshTokenType", *a.RefreshTokenType, "JSON_WEB_TOKEN", "OPAQUE_TOKEN")
	}
	if a.AccessTokenFormat != nil {
		j.oneOf("accessTokenFormat", *a.AccessTokenFormat, formatJWT, formatOpaque)
	}
}

// checkRequests judges what authorization requests have to be like.
func (a *Application) checkRequests(j *judge) {
	j.oneOf("pkceEnforcement", *a.PKCEEnforcement, optional, required, s256Required)
	j.oneOf("parRequirement", *a.PARRequirement, optional, required)
	j.within("parTimeout", a.PARTimeout, 1, 600)
	if *a.SupportUnsignedRequestObject && *a.RequireSignedRequestObject {
		j.add(InvalidValue, "requireSignedRequestObject", "must not be true where supportUnsignedRequestObject is")
	}
}

// checkKeys wants public keys, from one place.
func (a *Application) checkKeys(j *judge) {
	switch {
	case a.JWKS != nil && a.JWKSURL != nil:
		j.add(InvalidValue, "jwksUrl", "must not be given together with jwks")
	case a.JWKSURL != nil:
		if !strings.HasPrefix(*a.JWKSURL, "https://") || !webAddress(*a.JWKSURL) || strings.Contains(*a.JWKSURL, "#") {
			j.add(InvalidValue, "jwksUrl", "must be an https URL")
		}
	case a.JWKS != nil:
		if problem := publicKeys([]byte(*a.JWKS)); problem != "" {
			j.add(InvalidValue, "jwks", "%s", problem)
		}
	case a.TokenEndpointAuthMethod == authPrivateKeyJWT, a.TokenEndpointAuthMethod == authSelfSignedTLS:
		j.add(RequiredValue, "jwks", "must not be empty, nor jwksUrl, where tokenEndpointAuthMethod is %s", a.TokenEndpointAuthMethod)
	}
}

// publicKeys says why text is not a JWK Set of public keys that can be used; "" if it is.
func publicKeys(text []byte) string {
	set, _, err := jose.ParseKeySet(text, jose.KeySetLimits{})
	if err != nil {
		return "must be the text of a JWK Set"
	}
	var members struct {
		Keys []map[string]json.RawMessage `json:"keys"`
	}
	if json.Unmarshal(text, &members) != nil {
		return "must be the text of a JWK Set"
	}
	for _, key := range members.Keys {
		for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
			if _, found := key[private]; found {
				return "must have public keys alone"
			}
		}
	}
	if set.Len() == 0 {
		return "must have a key that can be used"
	}
	return ""
}

// originShape is PingOne's: a scheme or none, a host, a port or none. In lower case, since origins are compared byte for byte.
var originShape = pattern.New(`^(?:https?://)?([a-z0-9*](?:[a-z0-9*.-]*[a-z0-9*])?)(?::([1-9][0-9]{0,4}))?$`)

var devicePath = pattern.New(`^[a-zA-Z0-9_-]{1,50}$`)

func (a *Application) checkDevices(j *judge) {
	j.within("deviceTimeout", a.DeviceTimeout, 1, 3600)
	j.within("devicePollingInterval", a.DevicePollingInterval, 1, 60)
	if a.DevicePathID != nil && !devicePath.MatchString(*a.DevicePathID) {
		j.inner(map[string]any{"allowedPattern": devicePath.String()}, InvalidValue, "devicePathId", "must be 1 to 50 letters, digits, _ and -")
	}
}

// lines lets a text have several.
var lines = strings.NewReplacer("\r", " ", "\n", " ", "\t", " ")

// checkDisplay judges what is for people, and what is kept and shown alone.
func (a *Application) checkDisplay(j *judge) {
	if a.Description != nil {
		j.text("description", lines.Replace(*a.Description), maxDescription)
	}
	if icon := a.Icon; icon != nil {
		if icon.ID != nil {
			j.text("icon.id", *icon.ID, maxText)
		}
		if icon.HREF != nil && *icon.HREF != "" {
			j.webAddress("icon.href", icon.HREF)
		}
	}
	j.eachOf("tags", a.Tags, "PING_FED_CONNECTION_INTEGRATION")
	if len(a.Tags) > 0 && a.Type != string(store.Worker) {
		j.add(InvalidValue, "tags", "must not be given for an application of the type %s", a.Type)
	}
	if a.Kerberos != nil && (a.Kerberos.Key == nil || a.Kerberos.Key.ID == "") {
		j.add(RequiredValue, "kerberos.key.id", "must not be empty")
	}
	if a.Mobile != nil {
		if a.Mobile[0] != '{' {
			j.add(InvalidValue, "mobile", "must be an object")
		} else if shown, err := withoutCredentials(a.Mobile); err != nil {
			j.add(InvalidValue, "mobile", "must be an object of settings")
		} else {
			a.Mobile = shown
		}
	}
	if a.Template != nil && a.Template[0] != '{' && a.Template[0] != '"' {
		j.add(InvalidValue, "template", "must be text or an object")
	}
}

// withoutCredentials is mobile without what would let its reader act as the
// application at its vendor's: nothing here has a use for it, and documents are
// shown and kept in the audit log.
func withoutCredentials(mobile json.RawMessage) (json.RawMessage, error) {
	var settings map[string]json.RawMessage
	if err := json.Unmarshal(mobile, &settings); err != nil {
		return nil, err
	}
	var integrity map[string]json.RawMessage
	if len(settings["integrityDetection"]) == 0 || json.Unmarshal(settings["integrityDetection"], &integrity) != nil {
		return mobile, nil
	}
	var play map[string]json.RawMessage
	if len(integrity["googlePlay"]) == 0 || json.Unmarshal(integrity["googlePlay"], &play) != nil || play == nil {
		return mobile, nil
	}
	for _, name := range []string{"decryptionKey", "verificationKey", "serviceAccountCredentials"} {
		delete(play, name)
	}
	var err error
	if integrity["googlePlay"], err = json.Marshal(play); err != nil {
		return nil, err
	}
	if settings["integrityDetection"], err = json.Marshal(integrity); err != nil {
		return nil, err
	}
	return json.Marshal(settings)
}

func (a *Application) checkAccess(j *judge) {
	if a.AccessControl == nil {
		return
	}
	if role := a.AccessControl.Role; role != nil {
		j.oneOf("accessControl.role.type", role.Type, adminUsersOnly)
	}
	if group := a.AccessControl.Group; group != nil {
		j.oneOf("accessControl.group.type", group.Type, "ANY_GROUP", "ALL_GROUPS")
		if len(group.Groups) == 0 || slices.ContainsFunc(group.Groups, func(r Reference) bool { return r.ID == "" }) {
			j.add(RequiredValue, "accessControl.group.groups", "must not be empty")
		}
	}
}

// checkStrict refuses what security_profile strict does not have.
func (a *Application) checkStrict(j *judge) {
	for _, weak := range []struct {
		target string
		given  bool
	}{
		{"allowWildcardInRedirectUris", *a.AllowWildcardInRedirectURIs},
		{"supportUnsignedRequestObject", *a.SupportUnsignedRequestObject},
		{"additionalRefreshTokenReplayProtectionEnabled", !*a.AdditionalRefreshTokenReplayProtectionEnabled},
	} {
		if weak.given {
			j.add(InvalidValue, weak.target, "is not to be had with the environment's security profile, which is strict")
		}
	}
}

func (a *Application) checkSigning(ctx context.Context, c *Checking, j *judge) error {
	if a.Signing == nil {
		return nil
	}
	id := a.keyRotationPolicy()
	if id == "" {
		j.add(RequiredValue, "signing.keyRotationPolicy.id", "must not be empty")
		return nil
	}
	_, err := c.Live.Item(ctx, c.Environment, store.KindKeyRotationPolicy, "", id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		j.add(InvalidValue, "signing.keyRotationPolicy.id", "is not the ID of a key rotation policy")
		return nil
	case err != nil:
		return oauth.CannotTell("find key rotation policy", err)
	}
	return nil
}

// notNull is nil for the JSON null, which stands for nothing.
func notNull(raw json.RawMessage) json.RawMessage {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return nil
	}
	return raw
}

// defaulted gives a member that was not sent its default.
func defaulted[V any](member **V, value V) {
	if *member == nil {
		*member = &value
	}
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

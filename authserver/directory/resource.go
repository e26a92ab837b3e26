package directory

import (
	"context"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Types of resources. Of the first two every environment has one; only custom ones are created and deleted.
const (
	ResourceTypeOpenID  = "OPENID_CONNECT"
	ResourceTypePingOne = "PINGONE_API"
	ResourceTypeCustom  = "CUSTOM"
)

// Resource is an API that tokens are for. A custom one comes to a store.Resource,
// together with its scopes, attributes and secret.
type Resource struct {
	Name string `json:"name"` // unique in the environment
	// Type is CUSTOM, unless the resource is one that every environment has. It never changes.
	Type        string  `json:"type,omitempty"`
	Description *string `json:"description,omitempty"`
	// Audience is the aud of its tokens, unique in the environment: by default the name.
	Audience *string `json:"audience,omitempty"`
	// AccessTokenValiditySeconds is the life of its tokens: 300 to 2592000, by default 3600.
	AccessTokenValiditySeconds *int64 `json:"accessTokenValiditySeconds,omitempty"`
	// IntrospectEndpointAuthMethod is NONE, CLIENT_SECRET_BASIC (default) or CLIENT_SECRET_POST.
	IntrospectEndpointAuthMethod string `json:"introspectEndpointAuthMethod,omitempty"`
	// ApplicationPermissionsSettings is kept for those who ask: there are no application permissions here.
	ApplicationPermissionsSettings *ApplicationPermissionsSettings `json:"applicationPermissionsSettings,omitempty"`
	// ClientID and ClientSecret are what a new resource brings along from elsewhere: its ID, and its first
	// secret. They are read and never written.
	ClientID     Unsaid `json:"clientId,omitzero"`
	ClientSecret Unsaid `json:"clientSecret,omitzero"`
}

// ApplicationPermissionsSettings is a member of Resource.
type ApplicationPermissionsSettings struct {
	ClaimEnabled bool `json:"claimEnabled"`
}

// Kind implements Document.
func (*Resource) Kind() store.ObjectKind { return store.KindResource }

// Label implements Document.
func (d *Resource) Label() string { return d.Name }

// Keys implements Keyed.
func (d *Resource) Keys() (unique, lookups []string) {
	unique = []string{"name " + d.Name}
	if d.Type == ResourceTypeCustom {
		unique = append(unique, "audience "+d.aud())
	}
	return unique, []string{"type " + d.Type}
}

// aud is the audience of the resource's tokens.
func (d *Resource) aud() string {
	if d.Audience == nil {
		return d.Name
	}
	return *d.Audience
}

// UsesSecret reports whether the resource authenticates with a secret.
func (d *Resource) UsesSecret() bool {
	return d.Type == ResourceTypeCustom && d.IntrospectEndpointAuthMethod != authNone
}

// Companions implements Founding: the subject of its tokens, and the secret where
// the resource authenticates with one.
func (d *Resource) Companions(c *Checking) []New {
	list := []New{{Parent: c.ID, Document: coreSubject(c.ID)}}
	if d.UsesSecret() {
		list = append(list, New{ID: c.ID, Parent: c.ID, Document: NewSecret(string(d.ClientSecret))})
	}
	return list
}

// Check implements Document.
func (d *Resource) Check(ctx context.Context, c *Checking) error {
	var j judge
	switch old, changed := c.Old.(*Resource); {
	case changed && old.Type != ResourceTypeCustom:
		return Invalid(Problemf(ConstraintViolation, "type", "the resource %s is predefined and cannot be changed", old.Name))
	case changed && d.Type != "" && d.Type != old.Type:
		j.add(InvalidValue, "type", "cannot be changed")
	case d.Type == ResourceTypeOpenID || d.Type == ResourceTypePingOne:
		j.add(InvalidValue, "type", "only resources of the type %s can be created", ResourceTypeCustom)
	case d.Type != "":
		j.oneOf("type", d.Type, ResourceTypeCustom)
	}
	d.Type = ResourceTypeCustom
	d.checkName(&j)
	if d.Audience != nil || len(j.problems) == 0 {
		d.checkAudience(&j, c.Environment)
	}
	d.checkSettings(&j)
	if err := d.checkImport(ctx, c, &j); err != nil {
		return err
	}
	return j.verdict()
}

func (d *Resource) checkName(j *judge) {
	j.named("name", d.Name, maxName)
	if strings.EqualFold(d.Name, nameOpenID) || strings.EqualFold(d.Name, namePingOne) {
		j.add(UniquenessViolation, "name", "is the name of a predefined resource")
	}
}

// checkAudience fills in the audience and refuses those that could be taken for
// the vendor's or for the management API's, whose tokens have an authority of
// their own.
func (d *Resource) checkAudience(j *judge, env *store.Environment) {
	if d.Audience == nil {
		d.Audience = &d.Name
	}
	aud := *d.Audience
	j.named("audience", aud, maxAudience)
	folded := strings.ToLower(aud)
	switch {
	case len(aud) > maxAudience:
		// The value of a revocation is no longer, in bytes.
		j.inner(map[string]any{"maximumValue": maxAudience}, SizeLimitExceeded, "audience", "must not have more than %d bytes", maxAudience)
	case strings.Contains(aud, "#"):
		j.add(InvalidValue, "audience", "must have no fragment")
	case strings.Contains(folded, "pingone"), strings.Contains(folded, "pingidentity"):
		j.add(InvalidValue, "audience", "must not contain pingone or pingidentity")
	case strings.EqualFold(strings.TrimRight(aud, "/"), strings.TrimRight(env.APIAudience, "/")):
		j.add(InvalidValue, "audience", "is the audience of the management API")
	}
}

func (d *Resource) checkSettings(j *judge) {
	if d.Description != nil {
		j.text("description", *d.Description, maxDescription)
	}
	if d.AccessTokenValiditySeconds == nil {
		seconds := int64(store.DefaultAccessTokenTTL.Seconds())
		d.AccessTokenValiditySeconds = &seconds
	}
	j.within("accessTokenValiditySeconds", d.AccessTokenValiditySeconds, int64(store.MinAccessTokenTTL.Seconds()), int64(store.MaxAccessTokenTTL.Seconds()))
	if d.IntrospectEndpointAuthMethod == "" {
		d.IntrospectEndpointAuthMethod = authSecretBasic
	}
	j.oneOf("introspectEndpointAuthMethod", d.IntrospectEndpointAuthMethod, authNone, authSecretBasic, authSecretPost)
	if d.ApplicationPermissionsSettings == nil {
		d.ApplicationPermissionsSettings = &ApplicationPermissionsSettings{}
	}
}

// checkImport judges what a new resource brings along: both or neither, no secret
// that is never used, and no ID by which somebody else is known.
func (d *Resource) checkImport(ctx context.Context, c *Checking, j *judge) error {
	switch {
	case c.Old != nil || d.ClientID == "" && d.ClientSecret == "":
		return nil
	case d.ClientID == "":
		j.add(RequiredValue, "clientId", "is required with clientSecret")
		return nil
	case d.ClientSecret == "":
		j.add(RequiredValue, "clientSecret", "is required with clientId")
	case !d.UsesSecret():
		j.add(InvalidValue, "clientSecret", "is never used with introspectEndpointAuthMethod %s", authNone)
	default:
		j.clientSecret(string(d.ClientSecret), authSecretBasic)
	}
	if !importedID.MatchString(string(d.ClientID)) {
		j.inner(map[string]any{"allowedPattern": importedID.String()}, InvalidValue, "clientId", "must be 8 to 128 letters, digits, ., _, ~ and -")
		return nil
	}
	used, err := c.idInUse(ctx, string(d.ClientID))
	if used {
		j.add(UniquenessViolation, "clientId", "is unique but a non-unique value is provided")
	}
	return err
}

// Ends implements Ending: tokens for an audience that the resource no longer has.
func (d *Resource) Ends(_ context.Context, _ *Checking, old, replaced Document) ([]End, error) {
	was, _ := old.(*Resource)
	is, _ := replaced.(*Resource)
	if was == nil || was.Type != ResourceTypeCustom || is != nil && is.aud() == was.aud() {
		return nil, nil
	}
	return []End{{Kind: store.RevokedAudience, Value: was.aud()}}, nil
}

// Takes implements Taking: the grants on the resource, which may be of many
// applications.
func (d *Resource) Takes(ctx context.Context, c *Checking) ([]store.ObjectVersion, error) {
	grants, err := c.stored(ctx, store.KindGrant, GrantsOfResource(c.ID))
	if err != nil {
		return nil, err
	}
	gone := make([]store.ObjectVersion, len(grants))
	for i, it := range grants {
		gone[i] = store.ObjectVersion{Kind: store.KindGrant, ID: it.ID, Version: it.Version}
	}
	return gone, nil
}

// Deletable implements Holding.
func (d *Resource) Deletable(context.Context, *Checking) error {
	if d.Type != ResourceTypeCustom {
		return Invalid(Problemf(ConstraintViolation, "type", "the resource %s is predefined and cannot be deleted", d.Name))
	}
	return nil
}

var (
	_ Document = (*Resource)(nil)
	_ Keyed    = (*Resource)(nil)
	_ Ending   = (*Resource)(nil)
	_ Founding = (*Resource)(nil)
	_ Taking   = (*Resource)(nil)
	_ Holding  = (*Resource)(nil)
)

package directory

import (
	"context"
	"errors"
	"slices"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Types of attribute mappings: CORE ones are there from the beginning.
const (
	mappingCore   = "CORE"
	mappingCustom = "CUSTOM"
)

// userID is what sub is mapped to.
const userID = "${user.id}"

// ApplicationAttribute maps a claim of an application's ID tokens and UserInfo
// answers. Its parent is the application.
type ApplicationAttribute struct {
	Name string `json:"name"` // unique in the application
	// Value is as in store.ParseSource.
	Value    string `json:"value"`
	Required bool   `json:"required"`
	// MappingType is CORE or CUSTOM and never changes.
	MappingType string `json:"mappingType,omitempty"`
	// IDToken and UserInfo are where it goes, by default both; at least one.
	IDToken  *bool `json:"idToken,omitzero"`
	UserInfo *bool `json:"userInfo,omitzero"`
	// OIDCScopes are IDs of scopes of OpenID Connect without which it is left out; empty: it is always there.
	OIDCScopes []string `json:"oidcScopes,omitzero"`
	NameFormat *string  `json:"nameFormat,omitzero"` // of SAML
	// Application is the parent.
	Application Reference `json:"application"`
}

// coreMapping is what every application has from the beginning.
func coreMapping() *ApplicationAttribute {
	yes := true
	return &ApplicationAttribute{Name: "sub", Value: userID, Required: true, MappingType: mappingCore, IDToken: &yes, UserInfo: &yes}
}

// Kind is store.KindApplicationAttribute.
func (*ApplicationAttribute) Kind() store.ObjectKind { return store.KindApplicationAttribute }

// Label is the claim.
func (m *ApplicationAttribute) Label() string { return m.Name }

// Keys make the name unique in the application.
func (m *ApplicationAttribute) Keys() (unique, lookups []string) {
	return []string{"name " + m.Application.ID + " " + m.Name}, nil
}

// Check refuses reserved claims, values that are none, and the loss of sub.
func (m *ApplicationAttribute) Check(ctx context.Context, c *Checking) error {
	m.Application.ID = c.Parent
	if _, err := c.application(ctx); err != nil && !notFound(err) { // it may be about to be created along with it
		return err
	}
	var names []string // of the others
	err := c.siblings(ctx, store.KindApplicationAttribute, func(it *Item) error {
		if it.ID != c.ID {
			names = append(names, it.Document.Label())
		}
		return nil
	})
	if err != nil {
		return err
	}
	old, _ := c.Old.(*ApplicationAttribute)
	// The one that maps sub is made with the application, and is there ever after.
	core := old != nil && old.MappingType == mappingCore || old == nil && m.Name == "sub" && !slices.Contains(names, "sub")
	m.MappingType = mappingCustom
	if core {
		m.MappingType = mappingCore
	}
	yes := true
	if m.IDToken == nil {
		m.IDToken = &yes
	}
	if m.UserInfo == nil {
		m.UserInfo = &yes
	}
	var j judge
	m.checkName(&j, core, old)
	m.checkValue(&j, core)
	if !*m.IDToken && !*m.UserInfo {
		j.add(InvalidValue, "userInfo", "must not be false where idToken is")
	}
	if m.NameFormat != nil {
		j.text("nameFormat", *m.NameFormat, maxText)
	}
	if err := m.checkScopes(ctx, c, &j); err != nil {
		return err
	}
	if slices.Contains(names, m.Name) && len(j.problems) == 0 {
		j.add(UniquenessViolation, "name", "is unique in the application but a non-unique value is provided")
	}
	return j.verdict()
}

func (m *ApplicationAttribute) checkName(j *judge, core bool, old *ApplicationAttribute) {
	switch {
	case m.Name == "":
		j.add(RequiredValue, "name", "must not be empty")
	case core && old != nil && m.Name != old.Name:
		j.add(InvalidValue, "name", "cannot be changed: the mapping is one that every application has")
	case core:
	default:
		if err := store.CheckAttribute(m.Name, false); err != nil {
			j.add(InvalidValue, "name", "must be the name of a claim that is not reserved")
		}
	}
}

// checkValue refuses what is neither ${user.…} nor text. A sub that is a text would
// be everybody's, and one that is not there, or needs a scope, nobody's.
func (m *ApplicationAttribute) checkValue(j *judge, core bool) {
	from, err := store.ParseSource(m.Value)
	switch {
	case m.Value == "":
		j.add(RequiredValue, "value", "must not be empty")
	case err != nil:
		j.add(InvalidValue, "value", "must be plain text without braces, or ${user.<attribute>}")
	case core && from.User == "":
		j.add(InvalidValue, "value", "must be ${user.<attribute>}")
	}
	if core && (!*m.IDToken || !*m.UserInfo) {
		j.add(InvalidValue, "idToken", "must be true, as userInfo must: sub is in both")
	}
	if core && len(m.OIDCScopes) > 0 {
		j.add(InvalidValue, "oidcScopes", "must not be given for sub")
	}
}

func (m *ApplicationAttribute) checkScopes(ctx context.Context, c *Checking, j *judge) error {
	for i, id := range m.OIDCScopes {
		if slices.Contains(m.OIDCScopes[:i], id) {
			j.add(InvalidValue, "oidcScopes", "must not have a scope twice")
			return nil
		}
		_, err := c.Live.Item(ctx, c.Environment, store.KindScope, OpenIDResource(c.Environment.ID), id)
		switch {
		case errors.Is(err, store.ErrNotFound):
			j.add(InvalidValue, "oidcScopes", "must be IDs of scopes of the OpenID Connect resource")
			return nil
		case err != nil:
			return oauth.CannotTell("find scope", err)
		}
	}
	return nil
}

// Ends ends the application's access tokens when another sub is told for them than in
// the ID tokens that came with them. Refresh tokens are refused from then on.
func (*ApplicationAttribute) Ends(_ context.Context, c *Checking, old, new Document) ([]End, error) {
	before, _ := old.(*ApplicationAttribute)
	after, _ := new.(*ApplicationAttribute)
	if before == nil || after == nil || before.MappingType != mappingCore || before.Value == after.Value {
		return nil, nil
	}
	return []End{{Kind: store.RevokedClient, Value: c.Parent}}, nil
}

// subject is what a core mapping means for tokens; zero: the user's ID.
func (m *ApplicationAttribute) subject() store.Source {
	from, err := store.ParseSource(m.Value)
	if err != nil || from == store.SourceUserID {
		return store.Source{}
	}
	return from
}

// Deletable keeps what every application has.
func (m *ApplicationAttribute) Deletable(context.Context, *Checking) error {
	if m.MappingType == mappingCore {
		return Invalid(Problemf(ConstraintViolation, "name", "is a mapping that every application has and that cannot be deleted"))
	}
	return nil
}

// attribute is what a custom mapping means for tokens; ok is false for nothing.
func (m *ApplicationAttribute) attribute(ctx context.Context, w *whole) (a store.Attribute, ok bool, err error) {
	from, problem := store.ParseSource(m.Value)
	if problem != nil || store.CheckAttribute(m.Name, false) != nil {
		return a, false, nil
	}
	a = store.Attribute{
		Claim: m.Name, From: from,
		IDToken: m.IDToken == nil || *m.IDToken, UserInfo: m.UserInfo == nil || *m.UserInfo,
	}
	for _, id := range m.OIDCScopes {
		name, err := w.scopeName(ctx, OpenIDResource(w.env.ID), id)
		if err != nil {
			return a, false, err
		}
		a.Scopes = append(a.Scopes, name) // that of a scope that is gone is "", which no token has
	}
	return a, true, nil
}

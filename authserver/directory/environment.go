package directory

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

// Environment is a tenant in the words of PingOne's API. How it works beyond what
// is said here follows the defaults of one that configuration declares.
type Environment struct {
	Name        string  `json:"name"` // unique in the organization
	Description *string `json:"description,omitempty"`
	// Type is PRODUCTION or SANDBOX; Region a code such as NA. Both are kept for those who ask.
	Type   string `json:"type"`
	Region string `json:"region"`
	// License is the organization's one licence unless it says another.
	License         *Reference       `json:"license,omitempty"`
	Icon            *string          `json:"icon,omitempty"`
	BillOfMaterials *BillOfMaterials `json:"billOfMaterials,omitempty"`
	// AccessTokenFormat is JWT, which is the default, or OPAQUE. PingOne has no such member.
	AccessTokenFormat *string `json:"accessTokenFormat,omitempty"`

	// What follows is the server's, whatever was sent.
	Organization *Reference `json:"organization,omitempty"`
	// Status is ACTIVE. One that was deleted is DELETE_PENDING until nothing is left of it; nobody sees it.
	Status        string     `json:"status"`
	SoftDeletedAt *time.Time `json:"softDeletedAt,omitempty"`
	// Issuer and APIAudience are as of the environment of whoever created it.
	Issuer      string `json:"issuer,omitempty"`
	APIAudience string `json:"apiAudience,omitempty"`
}

// BillOfMaterials names the products that an environment is there for.
type BillOfMaterials struct {
	Products     []Product `json:"products"`
	SolutionType *string   `json:"solutionType,omitempty"`
}

// Product is one of them.
type Product struct {
	ID          *string    `json:"id,omitempty"`
	Type        string     `json:"type"`
	Description *string    `json:"description,omitempty"`
	Console     *Console   `json:"console,omitempty"`
	Bookmarks   []Bookmark `json:"bookmarks,omitempty"`
}

// Console is where a product is administered.
type Console struct {
	HREF string `json:"href"`
}

// Bookmark is an address to remember.
type Bookmark struct {
	Name string `json:"name"`
	HREF string `json:"href"`
}

// Words of PingOne's API about environments.
const (
	environmentActive  = "ACTIVE"
	environmentDeleted = "DELETE_PENDING"

	EnvironmentProduction = "PRODUCTION"
	EnvironmentSandbox    = "SANDBOX"
)

// Regions are the codes that an environment may have.
var regions = []string{"AP", "AU", "CA", "EU", "NA", "SG"}

// MaxEnvironments is how many an organization can have and still create another one: all of them are looked through now and then.
const MaxEnvironments = 1000

const (
	maxEnvironmentName        = 256  // characters
	maxEnvironmentDescription = 1024 // characters
	maxProducts               = 50
)

var _ Document = (*Environment)(nil)

// LicenseID is the ID of an organization's one licence.
func LicenseID(organization string) string { return BuiltinID(organization, "license", "standard") }

// Kind implements Document.
func (e *Environment) Kind() store.ObjectKind { return store.KindEnvironment }

// Label implements Document.
func (e *Environment) Label() string { return e.Name }

// Check implements Document. Names are compared with those of every environment
// of the organization; the Writer sees to it that two at the same time do not both get one.
func (e *Environment) Check(ctx context.Context, c *Checking) error {
	var problems []Problem
	add := func(code, target, format string, args ...any) {
		problems = append(problems, Problemf(code, target, format, args...))
	}
	if err := e.take(c); err != nil {
		return err
	}
	switch n := utf8.RuneCountInString(e.Name); {
	case strings.TrimSpace(e.Name) == "":
		add(RequiredValue, "name", "must not be empty")
	case n > maxEnvironmentName:
		add(SizeLimitExceeded, "name", "must have at most %d characters", maxEnvironmentName)
	}
	if e.Description != nil && utf8.RuneCountInString(*e.Description) > maxEnvironmentDescription {
		add(SizeLimitExceeded, "description", "must have at most %d characters", maxEnvironmentDescription)
	}
	switch e.Type {
	case EnvironmentProduction, EnvironmentSandbox:
	case "":
		add(RequiredValue, "type", "must be PRODUCTION or SANDBOX")
	default:
		add(InvalidValue, "type", "must be PRODUCTION or SANDBOX")
	}
	switch {
	case e.Region == "":
		add(RequiredValue, "region", "must be one of %s", strings.Join(regions, ", "))
	case !slices.Contains(regions, e.Region):
		add(InvalidValue, "region", "must be one of %s", strings.Join(regions, ", "))
	}
	if e.AccessTokenFormat != nil && *e.AccessTokenFormat != formatJWT && *e.AccessTokenFormat != formatOpaque {
		add(InvalidValue, "accessTokenFormat", "must be %s or %s", formatJWT, formatOpaque)
	}
	if !secret.IsID(e.License.ID) {
		add(InvalidValue, "license.id", "must be a UUID")
	}
	if e.Icon != nil {
		if u, err := url.Parse(*e.Icon); err != nil || u.Scheme != "https" || u.Host == "" {
			add(InvalidValue, "icon", "must be an https URL")
		}
	}
	if e.BillOfMaterials != nil {
		problems = append(problems, e.BillOfMaterials.problems()...)
	}
	if len(problems) > 0 {
		return Invalid(problems...)
	}
	if c.Old == nil {
		if err := c.roomForEnvironment(ctx, e.Organization.ID); err != nil {
			return err
		}
	}
	switch taken, err := c.Live.environmentNamed(ctx, e.Organization.ID, e.Name, c.ID); {
	case err != nil:
		return err
	case taken:
		return unique("name")
	}
	return nil
}

// roomForEnvironment refuses one more than an organization can create. Who creates two at once may get one more: that does no harm.
func (c *Checking) roomForEnvironment(ctx context.Context, organization string) error {
	all, err := c.Live.Environments(ctx)
	if err != nil {
		return err
	}
	n := 0
	for _, e := range all {
		if e.Organization == organization {
			n++
		}
	}
	if n < MaxEnvironments {
		return nil
	}
	return Invalid(Problem{
		Code: ConstraintViolation, Message: fmt.Sprintf("an organization has at most %d environments", MaxEnvironments),
		Inner: map[string]any{"maximumValue": MaxEnvironments},
	})
}

// take fills in what is the server's to say.
func (e *Environment) take(c *Checking) error {
	e.Status, e.SoftDeletedAt = environmentActive, nil
	if old, ok := c.Old.(*Environment); ok && old != nil {
		e.Organization, e.Issuer, e.APIAudience = old.Organization, old.Issuer, old.APIAudience
	} else {
		base, found := strings.CutSuffix(c.Environment.Issuer, c.Environment.ID+"/as")
		if !found {
			return fmt.Errorf("directory: the issuer %s is none of an environment's own", c.Environment.Issuer)
		}
		e.Organization = &Reference{ID: c.Environment.Organization}
		e.Issuer, e.APIAudience = base+c.ID+"/as", c.Environment.APIAudience
	}
	if e.License == nil {
		e.License = &Reference{ID: LicenseID(e.Organization.ID)}
	}
	return nil
}

func (b *BillOfMaterials) problems() (problems []Problem) {
	if len(b.Products) > maxProducts {
		problems = append(problems, Problemf(SizeLimitExceeded, "billOfMaterials.products", "must have at most %d values", maxProducts))
	}
	for i, p := range b.Products {
		if p.Type == "" || len(p.Type) > maxEnvironmentName {
			problems = append(problems, Problemf(InvalidValue, fmt.Sprintf("billOfMaterials.products[%d].type", i), "must be the name of a product"))
		}
	}
	return problems
}

// environment is what the document comes to, without what configuration says of all environments.
func (e *Environment) environment(id string) (*store.Environment, error) {
	if e.Organization == nil {
		return nil, fmt.Errorf("directory: the environment %s has no organization", id)
	}
	env, err := declared.NewEnvironment(declared.Environment{
		ID: id, Name: e.Name, Issuer: e.Issuer, Organization: e.Organization.ID, APIAudience: e.APIAudience,
	})
	if err != nil {
		return nil, err
	}
	env.Stored, env.OpaqueTokens = true, text(e.AccessTokenFormat) == formatOpaque
	return env, nil
}

// describe is the document of an environment that configuration declares.
func describe(e *store.Environment) *Environment {
	d := &Environment{
		Name: e.Name, Type: EnvironmentProduction, Region: "NA", License: &Reference{ID: LicenseID(e.Organization)},
		Organization: &Reference{ID: e.Organization}, Status: environmentActive, Issuer: e.Issuer, APIAudience: e.APIAudience,
	}
	if e.OpaqueTokens {
		d.AccessTokenFormat = notEmpty(formatOpaque)
	}
	return d
}

// environmentNamed reports whether an environment other than the one with this ID
// has a name. Names are compared as people do.
func (l *Live) environmentNamed(ctx context.Context, organization, name, except string) (bool, error) {
	all, err := l.Environments(ctx)
	if err != nil {
		return false, err
	}
	folded := store.FoldUsername(name)
	return slices.ContainsFunc(all, func(e *store.Environment) bool {
		return e.ID != except && e.Organization == organization && store.FoldUsername(e.Name) == folded
	}), nil
}

// errGone is of an environment that was deleted, before all of it is gone.
var errGone = errors.New("the environment is deleted")

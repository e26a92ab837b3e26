package directory

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/language"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/pattern"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// lowerUUID is how IDs are written that this server draws.
var lowerUUID = pattern.New(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

const (
	maxPopulationName        = 256  // characters
	maxPopulationDescription = 1024 // characters
	maxIdentifiers           = 25
	maxIdentifier            = 256 // characters
)

// Population is a set of people of an environment: those who are administered
// together. Each person is in exactly one.
//
// Every environment has a first one, which people are in who were put into none;
// it cannot be deleted. One population is the default, which new people are put
// into: the first one, unless its DefaultPopulation names another. There cannot be
// two, nor none, however many change it at once: it is said in one place.
type Population struct {
	Name                   string     `json:"name"`
	Description            *string    `json:"description,omitzero"`
	AlternativeIdentifiers []string   `json:"alternativeIdentifiers,omitzero"`
	PreferredLanguage      *string    `json:"preferredLanguage,omitzero"`
	PasswordPolicy         *Reference `json:"passwordPolicy,omitzero"`
	// Theme is always there: clients wait for it. Pages look as the environment's branding says.
	Theme *Reference `json:"theme,omitzero"`
	// DefaultPopulation is the ID of the environment's default population; "" is the first one. Only the
	// first one has it.
	DefaultPopulation string `json:"defaultPopulation,omitzero"`
}

var (
	_ Document = (*Population)(nil)
	_ Keyed    = (*Population)(nil)
	_ Holding  = (*Population)(nil)
	_ Taking   = (*Population)(nil)
)

// firstPopulation is the name by which the ID of an environment's first population is made.
const firstPopulation = "default"

// FirstPopulation is the ID of the population that people are in whose
// User.Population is "".
func FirstPopulation(environment string) string {
	return BuiltinID(environment, store.KindPopulation, firstPopulation)
}

// PasswordPolicy is the ID of an environment's one password policy.
func PasswordPolicy(environment string) string {
	return BuiltinID(environment, "password_policy", "standard")
}

// builtinPopulations is the first population as long as nobody has changed it.
func builtinPopulations(env *store.Environment) []Item {
	first := &Population{Name: "Default", Theme: &Reference{ID: defaultTheme(env.ID)}}
	return []Item{{Object: store.Object{ID: FirstPopulation(env.ID)}, Document: first}}
}

func defaultTheme(environment string) string { return BuiltinID(environment, "theme", "default") }

// PopulationOf is the ID of the population that a person is in.
func PopulationOf(u *store.User) string {
	if u.Population == "" {
		return FirstPopulation(u.Environment)
	}
	return u.Population
}

// StoredPopulation is what User.Population has for the population with this ID.
func StoredPopulation(environment, id string) string {
	if id == FirstPopulation(environment) {
		return ""
	}
	return id
}

// DefaultPopulation is the ID of the population that new people are put into.
func (l *Live) DefaultPopulation(ctx context.Context, env *store.Environment) (string, error) {
	first := FirstPopulation(env.ID)
	it, err := l.Item(ctx, env, store.KindPopulation, "", first)
	if err != nil {
		return "", fmt.Errorf("find the first population: %w", err)
	}
	named := it.Document.(*Population).DefaultPopulation
	if named == "" || named == first {
		return first, nil
	}
	switch _, err := l.Item(ctx, env, store.KindPopulation, "", named); {
	case errors.Is(err, store.ErrNotFound): // deleted in the very moment in which it became the default
		return first, nil
	case err != nil:
		return "", fmt.Errorf("find the default population: %w", err)
	}
	return named, nil
}

// PopulationOfNew is DefaultPopulation as User.Population has it.
func (l *Live) PopulationOfNew(ctx context.Context, env *store.Environment) (string, error) {
	id, err := l.DefaultPopulation(ctx, env)
	return StoredPopulation(env.ID, id), err
}

// Kind implements Document.
func (p *Population) Kind() store.ObjectKind { return store.KindPopulation }

// Label implements Document.
func (p *Population) Label() string { return p.Name }

// Keys implements Keyed: the name is unique, as people compare names.
func (p *Population) Keys() (unique, lookups []string) {
	return []string{populationKey(p.Name)}, nil
}

func populationKey(name string) string { return "name " + store.FoldUsername(name) }

// Check implements Document.
func (p *Population) Check(ctx context.Context, c *Checking) error {
	var problems []Problem
	add := func(code, target, format string, args ...any) {
		problems = append(problems, Problemf(code, target, format, args...))
	}
	switch n := utf8.RuneCountInString(p.Name); {
	case p.Name == "":
		add(RequiredValue, "name", "must not be empty")
	case store.FoldUsername(p.Name) == "":
		add(EmptyValue, "name", "must not be blank")
	case strings.ContainsFunc(p.Name, unicode.IsControl):
		add(InvalidValue, "name", "must not have control characters")
	case n > maxPopulationName:
		add(SizeLimitExceeded, "name", "must have at most %d characters", maxPopulationName)
	}
	if p.Description != nil && utf8.RuneCountInString(*p.Description) > maxPopulationDescription {
		add(SizeLimitExceeded, "description", "must have at most %d characters", maxPopulationDescription)
	}
	if len(p.AlternativeIdentifiers) > maxIdentifiers {
		add(SizeLimitExceeded, "alternativeIdentifiers", "must have at most %d values", maxIdentifiers)
	}
	for _, id := range p.AlternativeIdentifiers {
		if n := utf8.RuneCountInString(id); n == 0 || n > maxIdentifier {
			add(InvalidValue, "alternativeIdentifiers", "must have values of 1 to %d characters", maxIdentifier)
			break
		}
	}
	if p.PreferredLanguage != nil {
		if _, err := language.Parse(*p.PreferredLanguage); err != nil {
			add(InvalidValue, "preferredLanguage", "must be a language tag such as en or de-CH")
		}
	}
	if p.PasswordPolicy != nil && p.PasswordPolicy.ID != PasswordPolicy(c.Environment.ID) {
		add(InvalidValue, "passwordPolicy.id", "must be a password policy of the environment")
	}
	switch {
	case p.Theme == nil:
		p.Theme = &Reference{ID: defaultTheme(c.Environment.ID)}
	case !lowerUUID.MatchString(p.Theme.ID):
		add(InvalidValue, "theme.id", "must be a UUID")
	}
	switch first := FirstPopulation(c.Environment.ID); {
	case p.DefaultPopulation == "":
	case c.ID != first:
		add(InvalidValue, "defaultPopulation", "is said by the first population alone")
	case p.DefaultPopulation != first:
		switch _, err := c.Live.Item(ctx, c.Environment, store.KindPopulation, "", p.DefaultPopulation); {
		case errors.Is(err, store.ErrNotFound):
			add(InvalidValue, "defaultPopulation", "must be a population of the environment")
		case err != nil:
			return fmt.Errorf("find the default population: %w", err)
		}
	}
	return Invalid(problems...)
}

// Deletable implements Holding. The text is one that clients know.
func (p *Population) Deletable(ctx context.Context, c *Checking) error {
	def, err := c.Live.DefaultPopulation(ctx, c.Environment)
	if err != nil {
		return err
	}
	if c.ID == def || c.ID == FirstPopulation(c.Environment.ID) {
		return Invalid(Problemf(ConstraintViolation, "id",
			"The environment must contain at least one population, and its default and its first one cannot be deleted"))
	}
	switch n, err := c.Live.Store.CountUsers(ctx, c.Environment.ID, c.ID, false, 1); {
	case err != nil:
		return fmt.Errorf("count the users of a population: %w", err)
	case n > 0:
		return Invalid(Problemf(ConstraintViolation, "id", "A population with users cannot be deleted: delete or move them first"))
	}
	return nil
}

// Takes implements Taking: roles on the population go with it. Those that were
// given in other environments of the organization stay, on nothing: its ID does
// not come back.
func (p *Population) Takes(ctx context.Context, c *Checking) ([]store.ObjectVersion, error) {
	return rolesOn(ctx, c)
}

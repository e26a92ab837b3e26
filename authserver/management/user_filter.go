package management

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/identity"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/pattern"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/scim"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// userFilter is a filter of users: alternatives, of each of which one comparison
// finds candidates in an index, and every candidate is judged by all of them.
type userFilter struct {
	alternatives []userAlternative
	// populations are the IDs of those whose people alone are found; nil is for all.
	populations []string
}

type userAlternative struct {
	conditions []scim.Comparison
	// id is the one user that it can be, "" for others: those are walked over by scan.
	id   string
	scan store.UserScan
}

// textOperators are those of attributes that are text.
var textOperators = []string{"eq", "sw", "ew", "co"}

// term is the attribute under which store.UserTerms has an attribute of filters.
func term(attribute string) string {
	switch attribute {
	case "timezone":
		return "zoneinfo"
	case "photo.href":
		return "picture"
	}
	return attribute
}

// filterable are the attributes of text of every user, in PingOne's words.
var filterable = func() (all []string) {
	for _, f := range userTexts {
		if f.filter {
			all = append(all, f.name)
		}
	}
	return append(all, "username", "email")
}()

// customAttribute is what an attribute may be called that an organization has added.
var customAttribute = pattern.New(`^[A-Za-z][A-Za-z0-9_-]{0,127}$`)

// userFilter reads the filter of the query, cut to the populations that the caller may see. An attribute that an
// organization added is known when somebody has it.
func (c *call) userFilter(populations []string, all bool) (*userFilter, error) {
	e, ok, err := c.filter()
	if err != nil {
		return nil, err
	}
	normal := [][]scim.Comparison{nil}
	if ok {
		if normal, err = alternatives(e); err != nil {
			return nil, err
		}
	}
	for _, conjunction := range normal {
		for i := range conjunction {
			if err := c.checkUserComparison(&conjunction[i]); err != nil {
				return nil, err
			}
		}
	}
	f := &userFilter{}
	if !all {
		f.populations = populations
	}
	// A population is an index of its own where there are few: more cost more than they save.
	split := !all && len(populations)*len(normal) <= maxAlternatives
	for _, conjunction := range normal {
		if !split {
			f.alternatives = append(f.alternatives, c.planned(conjunction))
			continue
		}
		for _, id := range populations {
			within := scim.Comparison{Attribute: "population.id", Operator: "eq", Value: id}
			f.alternatives = append(f.alternatives, c.planned(append(slices.Clone(conjunction), within)))
		}
	}
	return f, nil
}

// checkUserComparison refuses what users cannot be filtered by, and writes the attribute's name as we do.
func (c *call) checkUserComparison(cmp *scim.Comparison) error {
	for _, name := range [...]string{"id", "population.id", "enabled"} {
		if !strings.EqualFold(name, cmp.Attribute) {
			continue
		}
		cmp.Attribute = name
		_, isText := cmp.Value.(string)
		_, isBool := cmp.Value.(bool)
		switch {
		case cmp.Operator != "eq":
			return unknownOperator(cmp)
		case name == "enabled" && !isBool:
			return invalidFilter("The value of enabled must be true or false")
		case name != "enabled" && !isText:
			return invalidFilter("The value of %s must be text in double quotes", name)
		}
		return nil
	}
	known := slices.IndexFunc(filterable, func(name string) bool { return strings.EqualFold(name, cmp.Attribute) })
	if known >= 0 {
		return checkText(cmp, []attribute{{filterable[known], textOperators}})
	}
	if !customAttribute.MatchString(cmp.Attribute) || reservedMember(cmp.Attribute) {
		return unknownAttribute(cmp.Attribute)
	}
	if err := checkText(cmp, []attribute{{cmp.Attribute, textOperators}}); err != nil {
		return err
	}
	found, err := c.api.Live.ScanUsers(c.r.Context(), store.UserScan{Environment: c.env.ID, Attribute: cmp.Attribute, Prefix: true, Limit: 1})
	if err != nil {
		return fmt.Errorf("look for an attribute: %w", err)
	}
	if len(found) == 0 {
		return unknownAttribute(cmp.Attribute)
	}
	return nil
}

// planned chooses how the candidates of a conjunction are found.
func (c *call) planned(conjunction []scim.Comparison) userAlternative {
	a := userAlternative{conditions: conjunction, scan: store.UserScan{Environment: c.env.ID}}
	best := 0
	for _, cond := range conjunction {
		usefulness := usefulness(cond)
		if usefulness <= best {
			continue
		}
		best = usefulness
		a.id = ""
		a.scan = store.UserScan{Environment: c.env.ID, Attribute: term(cond.Attribute), Prefix: cond.Operator == "sw"}
		switch value := cond.Value.(type) {
		case bool:
			a.scan.Value = "false" // the only one that is indexed
		case string:
			a.scan.Value = store.FoldTerm(value)
			switch cond.Attribute {
			case "id":
				a.id = cmp.Or(value, "-") // which nobody has
			case "username":
				a.scan.Value = store.FoldTerm(store.FoldUsername(value))
			case "population.id":
				a.scan.Value = store.FoldTerm(directory.StoredPopulation(c.env.ID, value))
			}
		}
	}
	return a
}

// usefulness says how few candidates a comparison finds; 0 for one that finds none in an index.
func usefulness(cond scim.Comparison) int {
	value, text := cond.Value.(string)
	switch {
	case cond.Negated:
		return 0
	case cond.Attribute == "enabled":
		if cond.Value == false {
			return 2
		}
		return 0
	case cond.Attribute == "population.id":
		return 1
	case !text || strings.TrimSpace(fold(value)) == "":
		return 0 // every user who has none is no row of the index
	case cond.Operator == "sw":
		return 3
	case cond.Operator != "eq":
		return 0
	}
	switch cond.Attribute {
	case "id":
		return 7
	case "username":
		return 6
	case "email", "externalId":
		return 5
	}
	return 4
}

// holds reports whether a user is what an alternative asks for.
func (a *userAlternative) holds(u *store.User) bool {
	return !slices.ContainsFunc(a.conditions, func(cond scim.Comparison) bool {
		return userHolds(u, cond) == cond.Negated
	})
}

func userHolds(u *store.User, cond scim.Comparison) bool {
	switch want := cond.Value.(type) {
	case bool:
		return cond.Attribute == "enabled" && u.Disabled != want
	case string:
		switch cond.Attribute {
		case "id":
			return u.ID == want
		case "population.id":
			return directory.PopulationOf(u) == want
		case "username":
			return compare(cond.Operator, store.FoldUsername(u.Username), store.FoldUsername(want)) ||
				compare(cond.Operator, identity.Spelling(u), want)
		}
		have, ok := userText(u, cond.Attribute)
		return ok && compare(cond.Operator, have, want)
	}
	return false
}

// first reports whether a user is found by the alternative at, and by none before:
// so that nobody is on two pages.
func (f *userFilter) first(at int, u *store.User) bool {
	if !f.alternatives[at].holds(u) || f.populations != nil && !slices.Contains(f.populations, directory.PopulationOf(u)) {
		return false
	}
	for i := range at {
		if f.alternatives[i].holds(u) {
			return false
		}
	}
	return true
}

// mostLookedAt is how many users one page looks at, at most: then it ends, with as many
// as it has found, and the next one goes on.
const mostLookedAt = 1000

// userPlace is where a page of users begins: in which alternative, behind which mark.
type userPlace struct {
	alternative int
	mark        store.UserMark
}

// page collects users from a place on, at most limit; more is false where there are no others.
func (f *userFilter) page(ctx context.Context, live *directory.Live, users *identity.Users, env *store.Environment, at userPlace, limit int) (found []*store.User, next userPlace, more bool, err error) {
	looked := 0
	for at.alternative < len(f.alternatives) {
		a := &f.alternatives[at.alternative]
		var candidates []store.ScannedUser
		size := min(max(limit-len(found), 50), mostLookedAt-looked) + 1 // and one to see whether there are more
		if a.id != "" {
			candidates, err = one(ctx, users, env, a.id)
		} else {
			scan := a.scan
			scan.After, scan.Limit = at.mark, size
			candidates, err = live.ScanUsers(ctx, scan)
		}
		if err != nil {
			return nil, at, false, err
		}
		for i := range candidates {
			if len(found) == limit || looked == mostLookedAt {
				return found, at, true, nil
			}
			u := &candidates[i]
			looked++
			at.mark = u.Mark
			if f.first(at.alternative, &u.User) {
				found = append(found, &u.User)
			}
		}
		if a.id != "" || len(candidates) < size {
			at = userPlace{alternative: at.alternative + 1}
		}
	}
	return found, userPlace{}, false, nil
}

// one is the user with an ID, if there is one.
func one(ctx context.Context, users *identity.Users, env *store.Environment, id string) ([]store.ScannedUser, error) {
	u, err := users.ByID(ctx, env, id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return []store.ScannedUser{{User: *u}}, nil
}

package management

import (
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/scim"
)

// maxAlternatives is how many alternatives a filter may come to.
const maxAlternatives = 64

// invalidFilter is 400 INVALID_FILTER. What a filter says may be shown to whoever wrote it.
func invalidFilter(format string, args ...any) error {
	return directory.Invalid(directory.Problemf(directory.InvalidFilter, "filter", format, args...))
}

// filter reads the filter of the query; ok is false where there is none.
func (c *call) filter() (e scim.Expression, ok bool, err error) {
	query, err := c.queryValues()
	if err != nil || !query.Has("filter") {
		return e, false, err
	}
	if e, err = scim.Parse(query.Get("filter")); err != nil {
		return e, false, invalidFilter("%s", err)
	}
	return e, true, nil
}

// alternatives is a filter's normal form.
func alternatives(e scim.Expression) ([][]scim.Comparison, error) {
	all, err := e.Normal(maxAlternatives)
	if err != nil {
		return nil, invalidFilter("%s", err)
	}
	return all, nil
}

// attribute is something that a collection may be filtered by.
type attribute struct {
	name      string
	operators []string
}

// plainFilter is the filter of a collection of which every object is looked at: a
// function that judges one by the values of its attributes. nil is for a request without a
// filter. Attributes and operators that are not offered are 400 INVALID_FILTER.
func (c *call) plainFilter(offered ...attribute) (func(value func(attribute string) string) bool, error) {
	e, ok, err := c.filter()
	if err != nil || !ok {
		return nil, err
	}
	all, err := alternatives(e)
	if err != nil {
		return nil, err
	}
	for _, conjunction := range all {
		for i := range conjunction {
			if err := checkText(&conjunction[i], offered); err != nil {
				return nil, err
			}
		}
	}
	return func(value func(string) string) bool {
		return slices.ContainsFunc(all, func(conjunction []scim.Comparison) bool {
			return !slices.ContainsFunc(conjunction, func(c scim.Comparison) bool {
				return compare(c.Operator, value(c.Attribute), c.Value.(string)) == c.Negated
			})
		})
	}, nil
}

// checkText refuses a comparison that is not offered, or not with a text. It writes the attribute's name as
// it is offered: names are compared without regard to case (RFC 7644 §3.4.2.2).
func checkText(cmp *scim.Comparison, offered []attribute) error {
	at := slices.IndexFunc(offered, func(a attribute) bool { return strings.EqualFold(a.name, cmp.Attribute) })
	if at < 0 {
		return unknownAttribute(cmp.Attribute)
	}
	if !slices.Contains(offered[at].operators, cmp.Operator) {
		return unknownOperator(cmp)
	}
	if _, ok := cmp.Value.(string); !ok {
		return invalidFilter("The value of %s must be text in double quotes", cmp.Attribute)
	}
	cmp.Attribute = offered[at].name
	return nil
}

func unknownAttribute(name string) error {
	return invalidFilter("There is nothing to filter by called %q", name)
}

func unknownOperator(cmp *scim.Comparison) error {
	return invalidFilter("The operator %s is not offered for %s", cmp.Operator, cmp.Attribute)
}

// compare says whether have is what a comparison with want asks for, without
// regard to case and to compatibility variants of characters.
func compare(operator, have, want string) bool {
	have, want = fold(have), fold(want)
	switch operator {
	case "eq":
		return have == want
	case "ne":
		return have != want
	case "sw":
		return strings.HasPrefix(have, want)
	case "ew":
		return strings.HasSuffix(have, want)
	case "co":
		return strings.Contains(have, want)
	case "lt": // of date-times as this API writes them, too
		return have < want
	}
	return false
}

// fold is the one spelling under which values are compared: store.FoldTerm in full length.
func fold(value string) string {
	return norm.NFKC.String(strings.ToLower(norm.NFKC.String(value)))
}

package scim

import (
	"encoding/json"
	"strings"
)

// Comparison is one condition: attribute, operator, value.
type Comparison struct {
	Attribute string // as written
	Operator  string // lower case: eq, ne, sw, ew, co, pr, lt, le, gt, ge
	// Value is string, bool, float64 or nil; nil for pr too.
	Value any
	// Negated: it must not hold. Only Normal says so; Parse leaves it to Expression.Not.
	Negated bool
}

// Expression is a tree of comparisons: exactly one of the fields is set.
type Expression struct {
	Comparison *Comparison
	And, Or    []Expression
	Not        *Expression
}

// String writes the comparison so that Parse reads it again.
func (c Comparison) String() string {
	text := c.Attribute + " " + c.Operator
	if c.Operator != opPresent {
		b, err := json.Marshal(c.Value)
		if err != nil {
			panic(err) // strings, booleans, numbers that are finite, nil
		}
		text += " " + string(b)
	}
	if c.Negated {
		return "not (" + text + ")"
	}
	return text
}

// String writes the expression so that Parse reads it again.
func (e Expression) String() string {
	switch {
	case e.Comparison != nil:
		return e.Comparison.String()
	case e.Not != nil:
		return "not (" + e.Not.String() + ")"
	case e.And != nil:
		return list(e.And, " and ")
	}
	return list(e.Or, " or ")
}

func list(parts []Expression, word string) string {
	texts := make([]string, len(parts))
	for i, p := range parts {
		texts[i] = p.String()
		if p.And != nil || p.Or != nil {
			texts[i] = "(" + texts[i] + ")"
		}
	}
	return strings.Join(texts, word)
}

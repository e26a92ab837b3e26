package scim

import (
	"fmt"
	"slices"
)

// Normal is the filter as alternatives, each a conjunction (disjunctive normal
// form): it holds where every comparison of one of them does. An error where
// there would be more than most of them: a product of alternatives grows
// exponentially with the length of a filter.
func (e Expression) Normal(most int) ([][]Comparison, error) {
	return e.normal(most, false)
}

// normal is the normal form of e, or of what holds where e does not.
func (e Expression) normal(most int, negated bool) ([][]Comparison, error) {
	switch {
	case e.Comparison != nil:
		c := *e.Comparison
		c.Negated = c.Negated != negated
		return [][]Comparison{{c}}, nil
	case e.Not != nil:
		return e.Not.normal(most, !negated)
	case e.And != nil && !negated:
		return all(e.And, most, false)
	case e.And != nil:
		return some(e.And, most, true)
	case negated:
		return all(e.Or, most, true)
	}
	return some(e.Or, most, false)
}

// some is where one of parts holds.
func some(parts []Expression, most int, negated bool) (found [][]Comparison, err error) {
	for _, p := range parts {
		more, err := p.normal(most, negated)
		if err != nil {
			return nil, err
		}
		if found = append(found, more...); len(found) > most {
			return nil, tooMany(most)
		}
	}
	return found, nil
}

// all is where all parts hold: each alternative of one with each of the others.
func all(parts []Expression, most int, negated bool) ([][]Comparison, error) {
	product := [][]Comparison{nil}
	for _, p := range parts {
		factor, err := p.normal(most, negated)
		if err != nil {
			return nil, err
		}
		if len(product)*len(factor) > most {
			return nil, tooMany(most)
		}
		var next [][]Comparison
		for _, left := range product {
			for _, right := range factor {
				next = append(next, slices.Concat(left, right))
			}
		}
		product = next
	}
	return product, nil
}

func tooMany(most int) error {
	return fmt.Errorf("the filter comes to more than %d alternatives", most)
}

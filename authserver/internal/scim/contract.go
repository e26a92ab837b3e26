package scim

// Comparison is one condition: attribute, operator, value.
type Comparison struct {
	Attribute string // as written
	Operator  string // lower case: eq, ne, sw, ew, co, pr, lt, le, gt, ge
	// Value is string, bool, float64 or nil; nil for pr too.
	Value any
}

// Expression is a tree of comparisons: exactly one of the fields is set.
type Expression struct {
	Comparison *Comparison
	And, Or    []Expression
	Not        *Expression
}

// Parse reads a filter. An error says what is wrong and at which character.
func Parse(filter string) (Expression, error) { panic("contract") }

// Normal is the filter as alternatives, each a conjunction (disjunctive normal form); an error where
// there would be more than most of them.
func (e Expression) Normal(most int) ([][]Comparison, error) { panic("contract") }

package scim

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Bounds of a filter: what people and tools write is far below, and what costs
// time to judge is beyond.
const (
	maxLength      = 4096 // bytes
	maxDepth       = 16   // parentheses in each other
	maxComparisons = 64
)

const opPresent = "pr"

// operators are those of RFC 7644 §3.4.2.2, which are PingOne's.
var operators = []string{"eq", "ne", "sw", "ew", "co", opPresent, "lt", "le", "gt", "ge"}

// Parse reads a filter: comparisons with AND, OR and NOT, in any case, and
// parentheses; AND binds more than OR. A value is a string in double quotes, with
// the escapes of JSON, a number, true, false or null. An error says what is wrong
// and at which character. Filters in brackets (emails[…]) are not read.
func Parse(filter string) (Expression, error) {
	p := &parser{text: filter}
	switch {
	case len(filter) > maxLength:
		return Expression{}, fmt.Errorf("the filter has more than %d bytes", maxLength)
	case !utf8.ValidString(filter):
		return Expression{}, fmt.Errorf("the filter is not UTF-8")
	}
	e, err := p.alternatives(0)
	if err != nil {
		return Expression{}, err
	}
	if p.space(); p.at < len(filter) {
		return Expression{}, p.errorf("and, or, or the end of the filter is expected")
	}
	return e, nil
}

// parser reads by recursive descent.
type parser struct {
	text        string
	at          int // in bytes
	comparisons int
}

// errorf says what is wrong where the parser is; characters are counted from 1.
func (p *parser) errorf(format string, args ...any) error {
	return fmt.Errorf("at character %d: %s", utf8.RuneCountInString(p.text[:p.at])+1, fmt.Sprintf(format, args...))
}

// space skips space and says whether there was some.
func (p *parser) space() bool {
	start := p.at
	for p.at < len(p.text) && (p.text[p.at] == ' ' || p.text[p.at] == '\t') {
		p.at++
	}
	return p.at > start
}

// peek is the word of letters that comes next, in lower case, without taking it.
func (p *parser) peek() string {
	end := p.at
	for end < len(p.text) && (p.text[end]|0x20 >= 'a' && p.text[end]|0x20 <= 'z') {
		end++
	}
	if end < len(p.text) && attributeByte(p.text[end]) {
		return "" // the beginning of a longer name
	}
	return strings.ToLower(p.text[p.at:end])
}

// alternatives reads what is between OR.
func (p *parser) alternatives(depth int) (Expression, error) {
	parts, err := p.chain("or", func() (Expression, error) {
		conjunction, err := p.chain("and", func() (Expression, error) { return p.term(depth) })
		return Expression{And: conjunction}.plain(), err
	})
	return Expression{Or: parts}.plain(), err
}

// plain is e without a list around a single part.
func (e Expression) plain() Expression {
	switch {
	case len(e.And) == 1:
		return e.And[0]
	case len(e.Or) == 1:
		return e.Or[0]
	}
	return e
}

// chain reads parts with word between them.
func (p *parser) chain(word string, part func() (Expression, error)) (parts []Expression, err error) {
	for {
		e, err := part()
		if err != nil {
			return nil, err
		}
		parts = append(parts, e)
		before := p.at
		if p.space(); p.peek() != word {
			p.at = before
			return parts, nil
		}
		p.at += len(word)
	}
}

// term reads a comparison, or something in parentheses, perhaps with NOT before.
func (p *parser) term(depth int) (Expression, error) {
	p.space()
	negated := false
	if p.peek() == "not" {
		before := p.at
		p.at += len("not")
		p.space()
		if negated = p.at < len(p.text) && p.text[p.at] == '('; !negated {
			p.at = before // an attribute of that name, or an error that it reports
		}
	}
	if p.at >= len(p.text) || p.text[p.at] != '(' {
		return p.comparison()
	}
	if depth >= maxDepth {
		return Expression{}, p.errorf("there are more than %d parentheses in each other", maxDepth)
	}
	p.at++
	e, err := p.alternatives(depth + 1)
	if err != nil {
		return Expression{}, err
	}
	if p.space(); p.at >= len(p.text) || p.text[p.at] != ')' {
		return Expression{}, p.errorf("and, or, or a closing parenthesis is expected")
	}
	p.at++
	if negated {
		return Expression{Not: &e}, nil
	}
	return e, nil
}

// comparison reads attribute, operator and value.
func (p *parser) comparison() (Expression, error) {
	if p.comparisons++; p.comparisons > maxComparisons {
		return Expression{}, p.errorf("there are more than %d comparisons", maxComparisons)
	}
	c := &Comparison{}
	var err error
	if c.Attribute, err = p.attribute(); err != nil {
		return Expression{}, err
	}
	if !p.space() {
		return Expression{}, p.errorf("a space and an operator are expected")
	}
	if c.Operator, err = p.operator(); err != nil {
		return Expression{}, err
	}
	if c.Operator == opPresent {
		return Expression{Comparison: c}, nil
	}
	if !p.space() {
		return Expression{}, p.errorf("a space and a value are expected")
	}
	if c.Value, err = p.value(); err != nil {
		return Expression{}, err
	}
	return Expression{Comparison: c}, nil
}

// attribute reads a name: a letter, and then what names of attributes have
// (RFC 7644 §3.10), with dots between parts.
func (p *parser) attribute() (string, error) {
	start := p.at
	if p.at >= len(p.text) || p.text[p.at]|0x20 < 'a' || p.text[p.at]|0x20 > 'z' {
		return "", p.errorf("the name of an attribute is expected")
	}
	for p.at < len(p.text) && attributeByte(p.text[p.at]) {
		p.at++
	}
	return p.text[start:p.at], nil
}

func attributeByte(b byte) bool {
	switch {
	case b|0x20 >= 'a' && b|0x20 <= 'z', b >= '0' && b <= '9', b == '.', b == '-', b == '_', b == ':', b == '$':
		return true
	}
	return false
}

func (p *parser) operator() (string, error) {
	word := p.peek()
	for _, op := range operators {
		if word == op {
			p.at += len(op)
			return op, nil
		}
	}
	return "", p.errorf("an operator is expected: %s", strings.Join(operators, ", "))
}

// value reads a value as JSON has it.
func (p *parser) value() (any, error) {
	start := p.at
	if p.at < len(p.text) && p.text[p.at] == '"' {
		return p.quoted()
	}
	for p.at < len(p.text) && !strings.ContainsRune(" \t()", rune(p.text[p.at])) {
		p.at++
	}
	word := p.text[start:p.at]
	switch strings.ToLower(word) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	case "null":
		return nil, nil
	}
	var number float64
	if word == "" || json.Unmarshal([]byte(word), &number) != nil {
		p.at = start
		return nil, p.errorf("a value is expected: text in double quotes, a number, true, false or null")
	}
	return number, nil
}

// quoted reads a string.
func (p *parser) quoted() (any, error) {
	start := p.at
	for p.at++; p.at < len(p.text) && p.text[p.at] != '"'; p.at++ {
		if p.text[p.at] == '\\' {
			p.at++
		}
	}
	if p.at >= len(p.text) {
		p.at = start
		return nil, p.errorf("the closing quote of this text is missing")
	}
	p.at++
	var text string
	if json.Unmarshal([]byte(p.text[start:p.at]), &text) != nil {
		p.at = start
		return nil, p.errorf("this text has an escape or a character that it may not have")
	}
	return text, nil
}

// Package pattern holds regular expressions that are part of the program. Each is compiled when it is first used: a
// counted repetition of a hundred characters takes a good part of a megabyte, and most servers never meet most of them.
package pattern

import (
	"regexp"
	"sync"
)

// Pattern is one expression. Safe for concurrent use. The first use of one that is no expression panics.
type Pattern struct {
	compiled func() *regexp.Regexp
}

// New makes a pattern in the syntax of package regexp.
func New(expression string) *Pattern {
	return &Pattern{sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })}
}

// MatchString is that of regexp.Regexp.
func (p *Pattern) MatchString(s string) bool { return p.compiled().MatchString(s) }

// FindStringSubmatch is that of regexp.Regexp.
func (p *Pattern) FindStringSubmatch(s string) []string { return p.compiled().FindStringSubmatch(s) }

// Split is that of regexp.Regexp.
func (p *Pattern) Split(s string, n int) []string { return p.compiled().Split(s, n) }

// String is the expression.
func (p *Pattern) String() string { return p.compiled().String() }

package caddymodule

import (
	"errors"
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2"
)

// expander replaces Caddy's global placeholders ({env.NAME}, {file.path}, …) in
// configuration values, once, when a module is provisioned. Placeholders of
// requests do not exist here and are refused as unknown.
type expander struct{ repl *caddy.Replacer }

func newExpander() expander { return expander{caddy.NewReplacer()} }

// one expands the value of the named option in place. A placeholder that is
// unknown or empty is an error, and so is a value that becomes blank: an unset
// variable must never turn into an empty secret or address. Errors name the
// option and the placeholder, never the value.
func (e expander) one(option string, value *string) error {
	if *value == "" || !strings.ContainsAny(*value, "{}") {
		return nil
	}
	out, err := e.repl.ReplaceOrErr(*value, true, true)
	if err != nil {
		return fmt.Errorf(`%s: %w (a literal brace is written \{)`, option, err)
	}
	if strings.TrimSpace(out) == "" {
		return fmt.Errorf("%s: %w", option, errBlank)
	}
	*value = out
	return nil
}

// all expands each value of a list; the result is a new list.
func (e expander) all(option string, values *[]string) error {
	out := make([]string, len(*values))
	for i, v := range *values {
		if err := e.one(option, &v); err != nil {
			return err
		}
		out[i] = v
	}
	if len(out) > 0 {
		*values = out
	}
	return nil
}

var errBlank = errors.New("the value is blank")

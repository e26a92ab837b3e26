package caddymodule

import (
	"maps"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// option is one name that a block of our directives may hold.
type option struct {
	parse  func() error
	repeat bool // may be written more than once
}

// once is an option that may be written one time.
func once(parse func() error) option { return option{parse: parse} }

// repeated is an option that may be written any number of times.
func repeated(parse func() error) option { return option{parse: parse, repeat: true} }

// eachSubdirective reads the block that follows, if there is one, and runs the
// parser of every option in it. Unknown and repeated options, stray arguments
// and stray blocks are refused; where names the block in messages, to which the
// dispenser adds file and line.
func eachSubdirective(d *caddyfile.Dispenser, where string, options map[string]option) error {
	seen := make(map[string]bool, len(options))
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		name := d.Val()
		if len(options) == 0 {
			return d.Errf("%s takes no block", where)
		}
		opt, ok := options[name]
		if !ok {
			known := slices.Sorted(maps.Keys(options))
			return d.Errf("%s: unknown option '%s'; there are: %s", where, name, strings.Join(known, ", "))
		}
		if seen[name] && !opt.repeat {
			return d.Errf("%s: option '%s' is repeated", where, name)
		}
		seen[name] = true
		if err := opt.parse(); err != nil {
			return err
		}
		if d.NextArg() {
			return d.Errf("%s: option '%s' has an argument too many: '%s'", where, name, d.Val())
		}
		if d.NextBlock(d.Nesting()) {
			return d.Errf("%s: option '%s' takes no block", where, name)
		}
	}
	return nil
}

// oneString reads exactly one argument.
func oneString(d *caddyfile.Dispenser, to *string) func() error {
	return func() error {
		name := d.Val()
		if !d.NextArg() {
			return d.Errf("option '%s' needs a value", name)
		}
		if d.Val() == "" {
			return d.Errf("option '%s' has an empty value", name)
		}
		*to = d.Val()
		return nil
	}
}

// oneOf reads exactly one argument, which is one of these words.
func oneOf(d *caddyfile.Dispenser, to *string, words ...string) func() error {
	return func() error {
		name := d.Val()
		if err := oneString(d, to)(); err != nil {
			return err
		}
		if !slices.Contains(words, *to) {
			return d.Errf("option '%s': there is no '%s'; there are: %s", name, *to, strings.Join(words, ", "))
		}
		return nil
	}
}

// someStrings reads one argument or more and appends them.
func someStrings(d *caddyfile.Dispenser, to *[]string) func() error {
	return func() error {
		name := d.Val()
		args := d.RemainingArgs()
		if len(args) == 0 {
			return d.Errf("option '%s' needs at least one value", name)
		}
		if slices.Contains(args, "") {
			return d.Errf("option '%s' has an empty value", name)
		}
		*to = append(*to, args...)
		return nil
	}
}

// flag is an option without arguments.
func flag(to *bool) func() error {
	return func() error {
		*to = true
		return nil
	}
}

// duration reads one duration, in Caddy's notation (1h30m, 2d).
func duration(d *caddyfile.Dispenser, to func(caddy.Duration)) func() error {
	return func() error {
		v, err := nextDuration(d, d.Val())
		if err == nil {
			to(v)
		}
		return err
	}
}

// nextDuration reads the next argument of the named option as a duration.
// Negative ones are refused: none of our options has a use for them.
func nextDuration(d *caddyfile.Dispenser, name string) (caddy.Duration, error) {
	if !d.NextArg() {
		return 0, d.Errf("option '%s' needs a duration", name)
	}
	v, err := caddy.ParseDuration(d.Val())
	if err != nil || v < 0 {
		return 0, d.Errf("option '%s': '%s' is not a duration such as 30s or 1h", name, d.Val())
	}
	return caddy.Duration(v), nil
}

// maxSize is the largest size that an option may have: 1 TiB keeps sums of
// sizes far from overflow.
const maxSize = 1 << 40

// size reads one size, such as 64MiB or 16KiB, in bytes.
func size(d *caddyfile.Dispenser, to func(int64)) func() error {
	return func() error {
		v, err := nextSize(d, d.Val())
		if err == nil {
			to(v)
		}
		return err
	}
}

// nextSize reads the next argument of the named option as a size.
func nextSize(d *caddyfile.Dispenser, name string) (int64, error) {
	if !d.NextArg() {
		return 0, d.Errf("option '%s' needs a size", name)
	}
	v, err := humanize.ParseBytes(d.Val())
	if err != nil || v == 0 || v > maxSize {
		return 0, d.Errf("option '%s': '%s' is not a size such as 64MiB", name, d.Val())
	}
	return int64(v), nil
}

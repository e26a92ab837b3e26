package caddymodule

import (
	"maps"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

// attribute reads a mapped claim of an application:
//
//	attribute <claim> <source> [id_token] [userinfo]
func attribute(d *caddyfile.Dispenser, app *declared.Application) func() error {
	return func() error {
		where := "application " + app.ClientID
		var a declared.Attribute
		if err := claimAndSource(d, where, &a.Claim, &a.Source); err != nil {
			return err
		}
		if err := flags(d, where+": attribute "+a.Claim, map[string]*bool{"id_token": &a.IDToken, "userinfo": &a.UserInfo}); err != nil {
			return err
		}
		if err := a.Check(); err != nil {
			return d.Errf("%s: attribute: %v", where, err)
		}
		if slices.ContainsFunc(app.Attributes, func(b declared.Attribute) bool { return b.Claim == a.Claim }) {
			return d.Errf("%s: attribute '%s' is repeated", where, a.Claim)
		}
		app.Attributes = append(app.Attributes, a)
		return nil
	}
}

// resourceAttribute reads a mapped claim of a resource:
//
//	attribute <claim> <source> [required]
func resourceAttribute(d *caddyfile.Dispenser, r *declared.Resource) func() error {
	return func() error {
		where := "resource " + r.Name
		var a declared.ResourceAttribute
		if err := claimAndSource(d, where, &a.Claim, &a.Source); err != nil {
			return err
		}
		if err := flags(d, where+": attribute "+a.Claim, map[string]*bool{"required": &a.Required}); err != nil {
			return err
		}
		if err := a.Check(); err != nil {
			return d.Errf("%s: attribute: %v", where, err)
		}
		if slices.ContainsFunc(r.Attributes, func(b declared.ResourceAttribute) bool { return b.Claim == a.Claim }) {
			return d.Errf("%s: attribute '%s' is repeated", where, a.Claim)
		}
		r.Attributes = append(r.Attributes, a)
		return nil
	}
}

func claimAndSource(d *caddyfile.Dispenser, where string, claim, source *string) error {
	if !d.Args(claim, source) {
		return d.Errf("%s: attribute needs a claim and a source, such as ${user.email}", where)
	}
	return nil
}

// flags reads words that may follow an option's arguments, each once.
func flags(d *caddyfile.Dispenser, where string, words map[string]*bool) error {
	for d.NextArg() {
		to := words[d.Val()]
		if to == nil || *to {
			return d.Errf("%s: '%s' is unknown or repeated; there are: %s", where, d.Val(), strings.Join(slices.Sorted(maps.Keys(words)), ", "))
		}
		*to = true
	}
	return nil
}

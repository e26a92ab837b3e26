package caddymodule

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

// legacyBlock is the option legacy while it is read. Syntax:
//
//	legacy {
//	    url                   <url>
//	    realm                 <realm> <environment>
//	    administrator         <name> <password>
//	    administrator_session <idle> <lifetime>
//	    cookie_name           <name>
//	    cookie_domain         <domain>
//	    success_url           <url>
//	    service               <tree...>
//	    deprecated            <day>
//	    sunset                <day>
//	    deprecation_link      <url>
//	    compat                <behaviour...>
//	}
type legacyBlock struct {
	*Legacy
	begin  caddyfile.Dispenser   // where it is written, for messages
	realms []caddyfile.Dispenser // where each realm is: environments may be declared behind them
}

func (b *legacyBlock) parse(d *caddyfile.Dispenser) error {
	b.Legacy, b.begin = new(Legacy), *d
	if d.NextArg() {
		return d.Errf("legacy takes a block, not '%s'", d.Val())
	}
	options := map[string]option{
		"url":                   once(oneString(d, &b.URL)),
		"realm":                 repeated(b.realm(d)),
		"administrator":         repeated(b.administrator(d)),
		"administrator_session": once(b.administratorSession(d)),
		"cookie_name":           once(oneString(d, &b.CookieName)),
		"cookie_domain":         once(oneString(d, &b.CookieDomain)),
		"success_url":           once(oneString(d, &b.SuccessURL)),
		"service":               repeated(someStrings(d, &b.Services)),
		"deprecated":            once(oneString(d, &b.Deprecated)),
		"sunset":                once(oneString(d, &b.Sunset)),
		"deprecation_link":      once(oneString(d, &b.DeprecationLink)),
		"compat":                repeated(someStrings(d, &b.Compat)),
	}
	for name, o := range options { // each is judged where it is written
		parse := o.parse
		o.parse = func() error {
			if err := parse(); err != nil {
				return err
			}
			return wrap(d, b.soFar())
		}
		options[name] = o
	}
	if err := eachSubdirective(d, "legacy", options); err != nil {
		return err
	}
	return wrap(&b.begin, b.whole())
}

func (b *legacyBlock) realm(d *caddyfile.Dispenser) func() error {
	return func() error {
		var r LegacyRealm
		if !d.Args(&r.Realm, &r.Environment) || r.Realm == "" || r.Environment == "" {
			return d.Err("legacy: realm needs a realm and an environment, such as 'realm alpha demo'")
		}
		b.Realms, b.realms = append(b.Realms, r), append(b.realms, *d)
		return nil
	}
}

func (b *legacyBlock) administrator(d *caddyfile.Dispenser) func() error {
	return func() error {
		var a LegacyAdministrator
		if !d.Args(&a.Name, &a.Password) || a.Name == "" || a.Password == "" {
			return d.Err("legacy: administrator needs a name and a password")
		}
		b.Administrators = append(b.Administrators, a)
		return nil
	}
}

func (b *legacyBlock) administratorSession(d *caddyfile.Dispenser) func() error {
	return func() (err error) {
		name := d.Val()
		if b.AdministratorIdle, err = nextDuration(d, name); err != nil {
			return err
		}
		if b.AdministratorLifetime, err = nextDuration(d, name); err != nil {
			return err
		}
		if b.AdministratorIdle == 0 || b.AdministratorLifetime == 0 { // zero would mean the default
			return d.Errf("option '%s' needs an idle time and a lifetime of a minute or more", name)
		}
		return nil
	}
}

// soFar judges what has been read; what is missing may follow.
func (b *legacyBlock) soFar() error {
	l := *b.Legacy
	if l.URL == "" {
		l.URL = "http://localhost/am"
	}
	if len(l.Realms) == 0 {
		l.Realms = []LegacyRealm{{"/", "any"}}
	}
	_, sunset := day("sunset", l.Sunset)
	l.Sunset = "" // deprecated may follow
	return errors.Join(sunset, l.check())
}

// whole judges the block.
func (b *legacyBlock) whole() error {
	if b.URL == "" {
		return errors.New("url is missing: the address of /am, such as https://login.example.com/am")
	}
	return b.check()
}

// declares judges the environments of the realms, when all are read.
func (b *legacyBlock) declares(envs []declared.Environment) error {
	if b.Legacy == nil {
		return nil
	}
	for i, r := range b.Realms {
		if _, err := r.environmentID(envs); err != nil {
			return wrap(&b.realms[i], err)
		}
	}
	return nil
}

// check judges l as far as that goes without placeholders, which are expanded when the configuration is loaded.
func (l Legacy) check() error {
	waits := func(text string) bool { return strings.ContainsAny(text, "{}") }
	if waits(l.URL) {
		l.URL = "http://localhost/am"
	}
	if waits(l.CookieDomain) {
		l.CookieDomain = ""
	}
	l.Administrators = slices.Clone(l.Administrators)
	for i, a := range l.Administrators {
		if waits(a.Password) {
			l.Administrators[i].Password = "placeholder"
		}
	}
	c, err := l.config(newExpander())
	if err != nil {
		return err
	}
	return c.Check()
}

// wrap adds the block's name, file and line to an error, if it is one.
func wrap(d *caddyfile.Dispenser, err error) error {
	if err == nil {
		return nil
	}
	return d.WrapErr(fmt.Errorf("legacy: %w", err))
}

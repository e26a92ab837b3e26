package store

import (
	"slices"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// Agreement is what a person agrees to: that a client may have a scope. One of a custom resource is a scope at that resource, since others may have
// scopes of the same name. It is written as the scope, and behind a blank, which no scope has, the ID of the resource.
type Agreement string

func newAgreement(scope, resource string) Agreement { return Agreement(scope + " " + resource) }

// Scope is the name of the scope.
func (a Agreement) Scope() string { scope, _ := a.split(); return scope }

// Resource is the ID of the custom resource; "" for a scope of OpenID Connect or PingOne.
func (a Agreement) Resource() string { _, resource := a.split(); return resource }

func (a Agreement) split() (scope, resource string) {
	scope, resource, _ = strings.Cut(string(a), " ")
	return scope, resource
}

// Agreements are what a person agrees to who lets c have scopes at the custom resources with these IDs, in the order of the scopes.
func (c *Client) Agreements(scopes, resources []string) []Agreement {
	all := make([]Agreement, 0, len(scopes))
	for _, scope := range scopes {
		known := len(all)
		if !oauth.OpenIDScope(scope) && !oauth.PingOneScope(scope) {
			for _, id := range resources {
				if slices.Contains(c.Grants[id], scope) {
					all = append(all, newAgreement(scope, id))
				}
			}
		}
		if len(all) == known {
			all = append(all, Agreement(scope))
		}
	}
	return all
}

// Covers reports whether the person has agreed to all of these. Two things are taken as they come: what was agreed to before resources were written down
// counts for each, and where it is not known any more which resource has a scope, any will do.
func (r *ConsentRecord) Covers(all []Agreement) bool {
	return !slices.ContainsFunc(all, func(a Agreement) bool { return !r.covers(a) })
}

func (r *ConsentRecord) covers(a Agreement) bool {
	return slices.ContainsFunc(r.Scopes, func(has string) bool {
		given := Agreement(has)
		return given.Scope() == a.Scope() && (given.Resource() == a.Resource() || given.Resource() == "" || a.Resource() == "")
	})
}

// Add counts in what the person has agreed to now. What was agreed to before resources were written down is known better then.
func (r *ConsentRecord) Add(all []Agreement) {
	kept := slices.DeleteFunc(slices.Clone(r.Scopes), func(has string) bool {
		return slices.ContainsFunc(all, func(a Agreement) bool { return a.Resource() != "" && has == a.Scope() })
	})
	for _, a := range all {
		kept = append(kept, string(a))
	}
	slices.Sort(kept)
	r.Scopes = slices.Compact(kept)
}

// Names are the scopes that the person has agreed to, at whatever resource, sorted.
func (r *ConsentRecord) Names() []string {
	names := make([]string, len(r.Scopes))
	for i, has := range r.Scopes {
		names[i] = Agreement(has).Scope()
	}
	slices.Sort(names)
	return slices.Compact(names)
}

package resourceserver

import (
	"slices"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// voice is what the challenges of a policy say beside the error, and in answer to what.
type voice struct {
	realm    string
	metadata string // address of the protected resource's metadata (RFC 9728 §5.1)
	proofs   string // algorithms of DPoP proofs; "" where none are judged
	dpopOnly bool   // no Bearer token would do
	used     scheme // of the request's credentials
}

// voice is that of p in answer to credentials in the scheme used.
func (p *Policy) voice(used scheme) voice {
	v := voice{realm: p.Realm, metadata: p.Metadata, used: used}
	if p.Possession.takesDPoP() {
		v.proofs, v.dpopOnly = p.Possession.algorithms(), p.Bound == BoundDPoP
	}
	return v
}

// challenges are those that go with a failure, strongest first. An error is said in the scheme that the client used (RFC 9449 §7.1). Where
// another one would have helped, or none was used, the others that would do are offered too: each challenge is a header line of its
// own, since a client that reads only the first line, or splits it at commas, still finds a whole challenge there. Bearer is the first of
// them, for clients that know nothing else.
func (v voice) challenges(f *Failure, why Reason, extra ...oauth.Param) []oauth.Challenge {
	if v.used == schemeDPoP {
		return []oauth.Challenge{v.challenge(schemeDPoP, f, extra)}
	}
	asked := why == NoToken
	if asked && v.dpopOnly {
		return []oauth.Challenge{v.challenge(schemeDPoP, f, extra)}
	}
	list := []oauth.Challenge{v.challenge(schemeBearer, f, extra)}
	if v.proofs != "" && (asked || why == NotBound) {
		list = append(list, v.challenge(schemeDPoP, &Failure{}, nil))
	}
	return list
}

// challenge is one of them (RFC 6750 §3). A request without a token gets no
// error attribute (§3.1).
func (v voice) challenge(s scheme, f *Failure, extra []oauth.Param) oauth.Challenge {
	c := oauth.Challenge{Scheme: nameBearer}
	add := func(name, value string) {
		if value != "" {
			c.Params = append(c.Params, oauth.Param{Name: name, Value: value})
		}
	}
	add("realm", v.realm)
	if f.Code != "" {
		add("error", f.Code)
		add("error_description", f.Description)
	}
	for _, p := range extra {
		add(p.Name, p.Value)
	}
	if s == schemeDPoP {
		c.Scheme = nameDPoP
		add("algs", v.proofs)
	}
	add("resource_metadata", v.metadata)
	return c
}

// needed lists the scopes that the policies ask for together, each once. What the token has is not said.
func needed(p *Policy, also []*Policy) string {
	list := slices.Concat(p.Scopes, p.AnyScope)
	for _, q := range also {
		if q != nil {
			list = append(append(list, q.Scopes...), q.AnyScope...)
		}
	}
	seen := make(map[string]bool, len(list))
	list = slices.DeleteFunc(list, func(s string) bool {
		again := seen[s]
		seen[s] = true
		return again
	})
	return strings.Join(list, " ")
}

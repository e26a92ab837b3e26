package token

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// place is where a claim that is mapped for an application goes.
type place func(store.Attribute) bool

func inIDToken(a store.Attribute) bool  { return a.IDToken }
func inUserInfo(a store.Attribute) bool { return a.UserInfo }

// attributes are the claims mapped for client that go to one place and for which
// the scope is granted that they need, by name; nil for those without a value, which are left out.
func attributes(client *store.Client, user *store.User, scope []string, to place) map[string]any {
	if len(client.Attributes) == 0 || user == nil {
		return nil
	}
	out := make(map[string]any, len(client.Attributes))
	for _, a := range client.Attributes {
		if !to(a) || a.Scopes != nil && !slices.ContainsFunc(a.Scopes, func(s string) bool { return slices.Contains(scope, s) }) {
			continue
		}
		out[a.Claim] = nil
		if v, ok := value(a.From, user); ok {
			out[a.Claim] = v
		}
	}
	return out
}

// mappedClaims are what resources map into one access token, and what else it says
// that the directory decides.
type mappedClaims struct {
	userInfo []string // see claimUserInfo
	subject  string   // "" where nothing is mapped to sub, or there is no value
	others   []mappedClaim
	// encryption is the key of the one resource whose tokens are encrypted, and which this one is for; nil for none.
	encryption *jose.EncryptionKey
}

type mappedClaim struct {
	name  string
	value []byte // JSON
}

// Check judges a as Mint does, and makes nothing.
func (m *Minter) Check(ctx context.Context, env *store.Environment, a Access) error {
	_, err := m.mapped(ctx, env, &a)
	return err
}

// mapped are the claims that the resources of a map. A required one that has no
// value is invalid_request, a resource that is gone or that contradicts another
// since is invalid_scope; one whose tokens are encrypted shares none with others, which is invalid_target.
func (m *Minter) mapped(ctx context.Context, env *store.Environment, a *Access) (mappedClaims, error) {
	var out mappedClaims
	if len(a.Resources) == 0 {
		return out, nil
	}
	resources := make([]*store.Resource, len(a.Resources))
	for i, id := range a.Resources {
		var err error
		switch resources[i], err = m.Directory.ResourceByID(ctx, env.ID, id); {
		case errors.Is(err, store.ErrNotFound):
			return out, noScope()
		case err != nil:
			return out, unavailable(fmt.Errorf("find resource: %w", err))
		}
		if key := resources[i].Encryption; key != nil {
			if !slices.Equal(a.Audience, []string{resources[i].Audience}) {
				return out, encryptedApart()
			}
			out.encryption = key
		}
	}
	list, ok := merge(resources)
	if !ok {
		return out, contradiction()
	}
	for _, attribute := range list {
		if attribute.Claim == "sub" {
			out.subject = subject(attribute.From, a.User)
			if out.subject == "" && attribute.Required {
				return mappedClaims{}, missing(attribute.Claim)
			}
			continue
		}
		if store.ReservedAttribute(attribute.Claim) {
			continue
		}
		var encoded []byte
		v, ok := value(attribute.From, a.User)
		if ok {
			var err error
			encoded, err = json.Marshal(v)
			ok = err == nil // else nothing that JSON has a word for
		}
		switch {
		case ok:
			out.others = append(out.others, mappedClaim{attribute.Claim, encoded})
		case attribute.Required:
			return mappedClaims{}, missing(attribute.Claim)
		}
	}
	return out, nil
}

func missing(claim string) error {
	return oauth.InvalidRequest("The resource requires the claim %s, which has no value here", claim)
}

// merge is what resources map that share a token; ok is false where they
// contradict each other. A resource that does not map sub expects the user's ID.
func merge(resources []*store.Resource) (list []store.ResourceAttribute, ok bool) {
	if len(resources) == 1 {
		return resources[0].Attributes, true
	}
	at := map[string]int{}
	subject := map[store.Source]bool{}
	for _, r := range resources {
		sub := store.SourceUserID
		for _, a := range r.Attributes {
			if a.Claim == "sub" {
				sub = a.From
			}
			i, known := at[a.Claim]
			switch {
			case !known:
				at[a.Claim] = len(list)
				list = append(list, a)
			case list[i].From != a.From:
				return nil, false
			default:
				list[i].Required = list[i].Required || a.Required
			}
		}
		subject[sub] = true
	}
	return list, len(subject) <= 1
}

// subject is a value as sub: text of a size that everybody takes (OIDC Core §2), and
// numbers as such text; "" for anything else.
func subject(from store.Source, user *store.User) string {
	v, ok := value(from, user)
	if !ok {
		return ""
	}
	var out string
	switch t := v.(type) {
	case string:
		out = t
	case json.Number:
		out = t.String()
	case float64:
		out = strconv.FormatFloat(t, 'f', -1, 64)
	case int64:
		out = strconv.FormatInt(t, 10)
	case int:
		out = strconv.Itoa(t)
	}
	if len(out) > 255 {
		return ""
	}
	return out
}

// value is what a source gives for user, in the type that the record has; ok is
// false for nothing: no person, no such claim, an empty or malformed one.
func value(from store.Source, user *store.User) (v any, ok bool) {
	switch {
	case from.User == "":
		return line(from.Text)
	case user == nil:
		return nil, false
	case from == store.SourceUserID:
		return line(user.ID)
	case from.User == "username":
		return line(user.Username)
	}
	if v, ok := record(user, from.User); ok { // a name that has dots itself
		return v, true
	}
	first, rest, _ := strings.Cut(from.User, ".")
	v, ok = record(user, first)
	for ok && rest != "" {
		var name string
		members, _ := v.(map[string]any)
		name, rest, _ = strings.Cut(rest, ".")
		v, ok = other(members[name])
	}
	return v, ok
}

// record is a claim of the directory. Those of OpenID Connect are as a scope
// would give them.
func record(user *store.User, name string) (any, bool) {
	if _, ok := standardClaims[name]; ok {
		return claim(user, name)
	}
	return other(user.Claims[name])
}

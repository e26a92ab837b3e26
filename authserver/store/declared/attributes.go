package declared

import (
	"fmt"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Attribute maps a claim of an application's ID tokens and UserInfo answers.
type Attribute struct {
	// Claim is its name, once in the application and none that PingOne reserves (store.ReservedAttribute).
	Claim string `json:"claim"`
	// Source is ${user.<path>} or plain text, see store.ParseSource.
	Source string `json:"source"`
	// IDToken and UserInfo are where it goes. Default: both.
	IDToken  bool `json:"id_token,omitempty"`
	UserInfo bool `json:"userinfo,omitempty"`
}

// ResourceAttribute maps a claim of a resource's access tokens, which introspection
// shows too.
type ResourceAttribute struct {
	// Claim is its name, once in the resource and none that is reserved, but for sub.
	Claim string `json:"claim"`
	// Source is as in Attribute. A client's own tokens have what is mapped from text.
	Source string `json:"source"`
	// Required refuses a token for which there is no value.
	Required bool `json:"required,omitempty"`
}

// Check reports what is wrong with a; New does so too.
func (a Attribute) Check() error {
	_, err := a.record()
	return err
}

func (a Attribute) record() (store.Attribute, error) {
	from, err := mapped(a.Claim, a.Source, false)
	if !a.IDToken && !a.UserInfo {
		a.IDToken, a.UserInfo = true, true
	}
	return store.Attribute{Claim: a.Claim, From: from, IDToken: a.IDToken, UserInfo: a.UserInfo}, err
}

// Check reports what is wrong with a; New does so too.
func (a ResourceAttribute) Check() error {
	_, err := a.record()
	return err
}

func (a ResourceAttribute) record() (store.ResourceAttribute, error) {
	from, err := mapped(a.Claim, a.Source, true)
	return store.ResourceAttribute{Claim: a.Claim, From: from, Required: a.Required}, err
}

func mapped(claim, source string, resource bool) (store.Source, error) {
	if err := store.CheckAttribute(claim, resource); err != nil {
		return store.Source{}, err
	}
	from, err := store.ParseSource(source)
	if err != nil {
		return from, fmt.Errorf("%s: %w", claim, err)
	}
	return from, nil
}

// records reads a list of attributes and refuses a claim that is mapped twice.
func records[A interface{ record() (R, error) }, R any](list []A, claim func(R) string) ([]R, error) {
	var out []R
	seen := map[string]bool{}
	for _, a := range list {
		r, err := a.record()
		if err == nil && seen[claim(r)] {
			err = fmt.Errorf("the claim %q is mapped twice", claim(r))
		}
		if err != nil {
			return nil, fmt.Errorf("attribute: %w", err)
		}
		seen[claim(r)] = true
		out = append(out, r)
	}
	return out, nil
}

package management

import (
	"net/http"

	"github.com/caddy-gatehouse/gatehouse/authserver/access"
	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/keys"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const keyRotationPoliciesPath = "/environments/{environmentID}/keyRotationPolicies"

// keyRotationPolicyRoutes are the key rotation policies. Their keys are made, replaced
// and retired before the answer is written.
func (a *API) keyRotationPolicyRoutes() []route {
	routes := routesOf(collectionOf{
		kind: store.KindKeyRotationPolicy, path: keyRotationPoliciesPath, id: "policyID", embedded: "keyRotationPolicies", name: "keyRotationPolicy",
		document: func() directory.Document { return new(directory.KeyRotationPolicy) },
		read:     access.ReadKey, create: access.CreateKey, update: access.UpdateKey, remove: access.DeleteKey,
	})
	for i := range routes {
		if serve := policyServers[routes[i].method+" "+routes[i].isPage]; serve != nil {
			routes[i].serve = serve
		}
	}
	return routes
}

// policyServers replace what collections do by themselves.
var policyServers = map[string]func(c *call) error{
	http.MethodGet + " keyRotationPolicies": listKeyRotationPolicies,
	http.MethodGet + " ":                    readKeyRotationPolicy,
	http.MethodPost + " ":                   createKeyRotationPolicy,
	http.MethodPut + " ":                    updateKeyRotationPolicy,
	http.MethodDelete + " ":                 deleteKeyRotationPolicy,
}

// policyKeys are the members that a policy has of its keys.
func (c *call) policyKeys(it *directory.Item) (map[string]any, error) {
	current, next, at, err := c.api.Keys.Rotation(c.r.Context(), c.env, directory.SigningPolicy(c.env.ID, it.ID))
	if err != nil {
		return nil, oauth.CannotTell("keys of the policy", err)
	}
	more := map[string]any{"currentKeyId": current, "rotatedAt": timestamp(at)}
	if next != "" {
		more["nextKeyId"] = next
	}
	return more, nil
}

func (c *call) policyView(it *directory.Item) (map[string]any, error) {
	more, err := c.policyKeys(it)
	if err != nil {
		return nil, err
	}
	return c.view(it, c.expand(keyRotationPoliciesPath)+"/"+it.ID, nil, more), nil
}

func (c *call) replyPolicy(status int, it *directory.Item) error {
	more, err := c.policyKeys(it)
	if err != nil {
		return err
	}
	return c.item(status, it, c.expand(keyRotationPoliciesPath)+"/"+it.ID, nil, more)
}

// rotatePolicies does what a change of a policy asks for.
func (c *call) rotatePolicies(prepared ...*keys.Prepared) error {
	if _, err := c.api.Keys.Reload(c.r.Context(), c.env, prepared...); err != nil {
		return oauth.CannotTell("keys of the policy", err)
	}
	return nil
}

// preparePolicy draws the keys that a policy is to have, before anybody else sees that it needs some. old is
// its document so far, nil for a new one.
func (c *call) preparePolicy(id string, p *directory.KeyRotationPolicy, old directory.Document) (*keys.Prepared, error) {
	checking := directory.Checking{Environment: c.env, Live: c.api.Live, ID: id, Old: old, Now: c.api.Now()}
	if err := p.Check(c.r.Context(), &checking); err != nil {
		return nil, err
	}
	prepared, err := c.api.Keys.Prepare(c.r.Context(), c.env, keys.Policy{
		ID: id, KeyLength: int(p.KeyLength), DN: p.DN, Period: p.Period(), Validity: p.Validity(),
	})
	if err != nil {
		return nil, oauth.CannotTell("keys of the policy", err)
	}
	return prepared, nil
}

func listKeyRotationPolicies(c *call) error {
	p, err := c.page(maxPage)
	if err != nil {
		return err
	}
	items, next, err := c.api.Live.Items(c.r.Context(), c.env, store.KindKeyRotationPolicy, "", p.after, p.limit)
	if err != nil {
		return err
	}
	var shown []any
	for _, it := range items {
		v, err := c.policyView(it)
		if err != nil {
			return err
		}
		shown = append(shown, v)
	}
	return c.collection("keyRotationPolicies", shown, next)
}

func readKeyRotationPolicy(c *call) error {
	it, err := c.api.Live.Item(c.r.Context(), c.env, store.KindKeyRotationPolicy, "", c.param("policyID"))
	if err != nil {
		return err
	}
	return c.replyPolicy(http.StatusOK, it)
}

func createKeyRotationPolicy(c *call) error {
	document := &directory.KeyRotationPolicy{}
	if err := c.read(document); err != nil {
		return err
	}
	id := c.api.NewID()
	prepared, err := c.preparePolicy(id, document, nil)
	if err != nil {
		return err
	}
	it, err := c.api.Writer.Create(c.r.Context(), c.actor(), c.env, directory.New{ID: id, Document: document})
	if err != nil {
		return err
	}
	if err := c.rotatePolicies(prepared); err != nil {
		return err
	}
	return c.replyPolicy(http.StatusCreated, it)
}

func updateKeyRotationPolicy(c *call) error {
	precondition, err := c.precondition()
	if err != nil {
		return err
	}
	body, err := readAll(c.r.Body)
	if err != nil {
		return err
	}
	var prepared *keys.Prepared
	it, err := c.api.Writer.Update(c.r.Context(), c.actor(), c.env, store.KindKeyRotationPolicy, "", c.param("policyID"), precondition,
		func(old *directory.Item) (directory.Document, error) {
			document := &directory.KeyRotationPolicy{}
			if err := decode(body, document); err != nil {
				return nil, err
			}
			if prepared == nil {
				if prepared, err = c.preparePolicy(old.ID, document, old.Document); err != nil {
					return nil, err
				}
			}
			return document, nil
		})
	if err != nil {
		return err
	}
	if err := c.rotatePolicies(prepared); err != nil {
		return err
	}
	return c.replyPolicy(http.StatusOK, it)
}

// deleteKeyRotationPolicy deletes a policy. Its keys are published for as long as what they signed may live.
func deleteKeyRotationPolicy(c *call) error {
	precondition, err := c.precondition()
	if err != nil {
		return err
	}
	if err := c.api.Writer.Delete(c.r.Context(), c.actor(), c.env, store.KindKeyRotationPolicy, "", c.param("policyID"), precondition); err != nil {
		return err
	}
	if err := c.rotatePolicies(); err != nil {
		return err
	}
	return c.noContent()
}

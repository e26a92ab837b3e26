package management

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/access"
	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const (
	subscriptionsPath = "/environments/{environmentID}/subscriptions"
	subscriptionPath  = subscriptionsPath + "/{subscriptionID}"
)

// subscriptionRoutes are webhooks and their signing secrets. To read a secret
// takes what it takes to replace it.
func (a *API) subscriptionRoutes() []route {
	secret := route{path: subscriptionPath + "/secret", permission: access.UpdateSubscription, status: http.StatusOK}
	read, rotate, drop := secret, secret, secret
	read.name, read.method, read.serve = "subscription.secret.read", http.MethodGet, serveSubscriptionSecret
	read.summary, read.response = "Reads the secret that signs a webhook's messages.", subscriptionSecret{}
	rotate.name, rotate.method, rotate.serve = "subscription.secret.rotate", http.MethodPost, rotateSubscriptionSecret
	rotate.summary, rotate.response = "Replaces the secret that signs a webhook's messages. With previous.expiresAt the old one signs beside it until then.", subscriptionSecret{}
	rotate.request = map[string]any{typeJSON: rotation{}}
	drop.name, drop.method, drop.serve = "subscription.secret.delete", http.MethodDelete, dropSubscriptionSecret
	drop.summary, drop.status = "Ends the previous secret of a webhook.", http.StatusNoContent
	return append(routesOf(collectionOf{
		kind: store.KindSubscription, path: subscriptionsPath, id: "subscriptionID", embedded: "subscriptions", name: "subscription",
		document: func() directory.Document { return new(directory.Subscription) },
		read:     access.ReadSubscription, create: access.UpdateSubscription, update: access.UpdateSubscription, remove: access.UpdateSubscription,
		beforeCreate: func(c *call, n *directory.New) error { return c.maySubscribe(n.Document) },
		beforeUpdate: func(c *call, _ *directory.Item, new directory.Document) error { return c.maySubscribe(new) },
		links: func(c *call, it *directory.Item) map[string]string {
			return map[string]string{"secret": "/environments/" + c.env.ID + "/subscriptions/" + it.ID + "/secret"}
		},
	}), read, rotate, drop)
}

// maySubscribe asks for what it takes to read what a webhook is told: messages have documents in them.
func (c *call) maySubscribe(d directory.Document) error {
	s, ok := d.(*directory.Subscription)
	if !ok || s.Filter == nil {
		return nil // Check refuses it
	}
	for _, action := range s.Filter.IncludedActionTypes {
		word, _, _ := strings.Cut(action, ".")
		wanted := slices.Collect(maps.Values(reading)) // of "*", and of words that nobody knows
		if p, known := reading[store.ObjectKind(strings.ToLower(word))]; known {
			wanted = []access.Permission{p}
		}
		for _, p := range wanted {
			if !c.who.ByRole(p, c.env, access.Target{}) {
				return forbiddenBecause("To be told of " + action + " takes a role that may read what was changed")
			}
		}
	}
	return nil
}

// rotation is the body of a request for another secret.
type rotation struct {
	Previous *struct {
		ExpiresAt *time.Time `json:"expiresAt"`
	} `json:"previous,omitempty"`
}

// subscriptionSecret is the one answer that shows a signing secret.
type subscriptionSecret struct {
	Links       map[string]link             `json:"_links"`
	Environment reference                   `json:"environment"`
	Secret      string                      `json:"secret"`
	Previous    *previousSubscriptionSecret `json:"previous,omitempty"`
}

type previousSubscriptionSecret struct {
	Secret    string `json:"secret"`
	ExpiresAt string `json:"expiresAt"`
}

func serveSubscriptionSecret(c *call) error {
	it, err := c.api.Live.Item(c.r.Context(), c.env, store.KindSubscription, "", c.param("subscriptionID"))
	if err != nil {
		return err
	}
	return showSubscriptionSecret(c, it)
}

func rotateSubscriptionSecret(c *call) error {
	var body rotation
	if err := c.read(&body); err != nil {
		return err
	}
	var keep *time.Time
	if body.Previous != nil {
		if keep = body.Previous.ExpiresAt; keep == nil {
			return directory.Invalid(directory.Problemf(directory.RequiredValue, "previous.expiresAt", "must be a date and time"))
		}
	}
	return changeSubscription(c, func(s *directory.Subscription) (*directory.Subscription, error) {
		return s.Rotated(c.api.Now(), keep)
	}, showSubscriptionSecret)
}

func dropSubscriptionSecret(c *call) error {
	return changeSubscription(c, func(s *directory.Subscription) (*directory.Subscription, error) {
		return s.WithoutPrevious(), nil
	}, func(c *call, _ *directory.Item) error { return c.noContent() })
}

func changeSubscription(c *call, edit func(*directory.Subscription) (*directory.Subscription, error), answer func(*call, *directory.Item) error) error {
	precondition, err := c.precondition()
	if err != nil {
		return err
	}
	it, err := c.api.Writer.Update(c.r.Context(), c.actor(), c.env, store.KindSubscription, "", c.param("subscriptionID"), precondition,
		func(old *directory.Item) (directory.Document, error) {
			s, ok := old.Document.(*directory.Subscription)
			if !ok {
				return nil, store.ErrNotFound
			}
			next, err := edit(s)
			if err != nil {
				return nil, err // not a nil *Subscription that is no nil Document
			}
			return next, nil
		})
	if err != nil {
		return err
	}
	return answer(c, it)
}

func showSubscriptionSecret(c *call, it *directory.Item) error {
	s, ok := it.Document.(*directory.Subscription)
	if !ok {
		return web.NotFound()
	}
	secrets := s.Secrets(c.api.Now())
	if len(secrets) == 0 {
		return web.NotFound()
	}
	self := "/environments/" + c.env.ID + "/subscriptions/" + it.ID
	answer := subscriptionSecret{
		Links: c.links(self+"/secret", map[string]string{
			"environment": "/environments/" + c.env.ID, "subscription": self,
		}),
		Environment: reference{c.env.ID}, Secret: secrets[0].Value,
	}
	if len(secrets) > 1 {
		answer.Previous = &previousSubscriptionSecret{secrets[1].Value, timestamp(secrets[1].Expires)}
	}
	return c.reply(http.StatusOK, answer)
}

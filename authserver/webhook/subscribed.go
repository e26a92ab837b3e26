package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// listed is how many subscriptions are read at once.
const listed = 100

// subscriptions are the enabled ones of an environment, as they were at a version of its objects.
type subscriptions struct {
	version int64
	list    []subscription
}

type subscription struct {
	id, url string
	filter  directory.SubscriptionFilter
}

// subscriptions reads them, or knows them still. They hold no secrets.
func (h *Webhooks) subscriptions(ctx context.Context, env *store.Environment) ([]subscription, error) {
	version, err := h.Live.Store.ObjectsVersion(ctx, env.ID)
	if err != nil {
		return nil, fmt.Errorf("read the version of objects: %w", err)
	}
	if known, ok := h.known.Load(env.ID); ok && known.(*subscriptions).version == version {
		return known.(*subscriptions).list, nil
	}
	now := &subscriptions{version: version}
	for after := ""; ; {
		items, next, err := h.Live.Items(ctx, env, store.KindSubscription, "", after, listed)
		if err != nil {
			return nil, fmt.Errorf("list subscriptions: %w", err)
		}
		for _, it := range items {
			if d, ok := it.Document.(*directory.Subscription); ok && d.IsEnabled() && d.HTTPEndpoint != nil && d.Filter != nil {
				now.list = append(now.list, subscription{it.ID, d.HTTPEndpoint.URL, *d.Filter})
			}
		}
		if after = next; next == "" {
			break
		}
	}
	h.known.Store(env.ID, now)
	return now.list, nil
}

// wants reports whether a subscription is to be told of an event.
func (h *Webhooks) wants(ctx context.Context, s *subscription, e *store.Event) (bool, error) {
	kind, _, _ := strings.Cut(e.Action, ".")
	if !slices.ContainsFunc(s.filter.IncludedActionTypes, func(a string) bool { return a == e.Action || a == "*" || a == kind+".*" }) {
		return false, nil
	}
	if apps := s.filter.IncludedApplications; len(apps) > 0 && !slices.ContainsFunc(apps, func(r directory.Reference) bool {
		return r.ID == e.Client || r.ID == e.Parent || e.Kind == store.KindApplication && r.ID == e.Object
	}) {
		return false, nil
	}
	if len(s.filter.IncludedPopulations) == 0 {
		return true, nil
	}
	about, err := h.populations(ctx, e)
	return slices.ContainsFunc(about, func(id string) bool {
		return slices.Contains(s.filter.IncludedPopulations, directory.Reference{ID: id})
	}), err
}

// populations are those that an event is about: itself, or those that a person was or is in.
func (h *Webhooks) populations(ctx context.Context, e *store.Event) ([]string, error) {
	switch e.Kind {
	case store.KindPopulation:
		return []string{e.Object}, nil
	case store.KindUser:
		var about []string
		for _, document := range [][]byte{e.Before, e.After} {
			var user struct {
				Population string `json:"population"`
			}
			if len(document) > 0 && json.Unmarshal(document, &user) == nil {
				about = append(about, directory.PopulationOf(&store.User{Environment: e.Environment, Population: user.Population}))
			}
		}
		if about != nil {
			return about, nil
		}
		return h.populationOf(ctx, e.Environment, e.Object)
	case store.KindSession, store.KindConsent, store.KindRoleAssignment:
		return h.populationOf(ctx, e.Environment, e.Parent)
	}
	return nil, nil
}

// populationOf is the population of a person, where there is such a one.
func (h *Webhooks) populationOf(ctx context.Context, environment, id string) ([]string, error) {
	user, err := h.Live.UserByID(ctx, environment, id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("find the user of an event: %w", err)
	}
	return []string{directory.PopulationOf(user)}, nil
}

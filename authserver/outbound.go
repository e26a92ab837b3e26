package authserver

import (
	"fmt"
	"maps"
	"slices"

	"github.com/caddy-gatehouse/gatehouse/authserver/clientauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/fetch"
	"github.com/caddy-gatehouse/gatehouse/authserver/registration"
)

// outbound is what makes requests under one set of rules: connections and the
// key sets that were fetched outlive configurations with the same rules.
type outbound struct {
	client *fetch.Client
	keys   *clientauth.KeySources
	// documents are metadata documents of clients.
	documents *registration.DocumentCache
}

// outbound finds or makes the clients for rules.
func (s *State) outbound(rules Outbound) (*outbound, error) {
	id := fmt.Sprintf("%x %t %v", rules.CA, rules.InsecureLoopbackHTTP, rules.Networks)
	s.mu.Lock()
	defer s.mu.Unlock()
	if o, ok := s.outbounds[id]; ok {
		return o, nil
	}
	client, err := fetch.NewClient(fetch.Options{
		ExtraCA: rules.CA, InsecureLoopbackHTTP: rules.InsecureLoopbackHTTP, StrangerNetworks: rules.Networks,
	})
	if err != nil {
		return nil, fmt.Errorf("outbound requests: %w", err)
	}
	o := &outbound{
		client, &clientauth.KeySources{Client: client, Now: s.config.Now, Log: s.config.Log},
		&registration.DocumentCache{Client: client, Now: s.config.Now, Log: s.config.Log},
	}
	s.outbounds[id] = o
	return o, nil
}

func (s *State) allOutbounds() []*outbound {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.outbounds))
}

package authserver

import "github.com/caddy-gatehouse/gatehouse/authserver/dpop"

// Replays has the DPoP proofs that were used at this server or its gates; with shared, at those of all nodes that share the store.
func (s *State) Replays(shared bool) dpop.Replays { panic("contract") }

// Nonces are those of DPoP proofs, the same on all nodes that share the store. An error means that their key cannot be had now.
func (s *State) Nonces() (*dpop.Nonces, error) { panic("contract") }

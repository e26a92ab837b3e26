package authserver

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/dpop"
	"github.com/caddy-gatehouse/gatehouse/authserver/mtls"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Replays has the DPoP proofs that were used at this node's gates; with shared, at those of all nodes that share the store.
func (s *State) Replays(shared bool) dpop.Replays {
	return s.replays(&s.gateProofs, gateProofs, shared)
}

// serverReplays has those that were used at the authorization server itself. They are apart: anybody can send a public client's
// requests there, and what they fill must not be the gates' memory; and a request may pass a gate on its way to the server.
func (s *State) serverReplays() dpop.Replays {
	return s.replays(&s.serverProofs, serverProofs, s.config.Shared)
}

// Where proofs are spent in the store. These are no environments: a gate knows of none, and an id is a hash of key and
// jti, which are nobody else's.
const (
	gateProofs   = "dpop"
	serverProofs = "dpop-server"
)

// replays makes the window when it is first asked for: most servers see no proof.
func (s *State) replays(window **dpop.Window, place string, shared bool) dpop.Replays {
	s.mu.Lock()
	defer s.mu.Unlock()
	if *window == nil {
		*window = dpop.NewWindow(0)
	}
	if !shared {
		return *window
	}
	return &sharedReplays{*window, s.config.Store, place}
}

// Shared reports whether other processes use the store too: then what was used at one of them must be known to all.
func (s *State) Shared() bool { return s.config.Shared }

// sharedReplays asks the window before the store: what came to this node twice costs no write.
type sharedReplays struct {
	window *dpop.Window
	spent  store.Spent
	place  string
}

// Spend implements dpop.Replays. A proof that the store could not be asked about stays used at this node, and the client makes another one.
func (r *sharedReplays) Spend(ctx context.Context, by dpop.Owner, id [32]byte, until, now time.Time) error {
	if err := r.window.Spend(ctx, by, id, until, now); err != nil {
		return err
	}
	// The store counts in whole seconds.
	err := r.spent.Spend(ctx, r.place, id, until.UTC().Add(time.Second), now.UTC())
	switch {
	case errors.Is(err, store.ErrSpent):
		return dpop.ErrReplayed
	case err != nil:
		return fmt.Errorf("spend a DPoP proof: %w", err)
	}
	return nil
}

// Nonces are those of DPoP proofs, the same on all nodes that share the store. An error means that their key cannot be had now.
func (s *State) Nonces() (*dpop.Nonces, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.nonces != nil {
		return s.nonces, nil
	}
	key, err := s.nonceKey()
	if err != nil {
		return nil, fmt.Errorf("the key of DPoP nonces: %w", err)
	}
	s.nonces = dpop.NewNonces(key, 0)
	return s.nonces, nil
}

// nonceKey is drawn where nobody else has to know it: a server that was restarted asks its clients once more, and there may be no
// secrets key yet, which nonces are no reason to make.
func (s *State) nonceKey() ([]byte, error) {
	if !s.config.Shared {
		key := make([]byte, sha256.Size)
		rand.Read(key) // never fails (Go 1.24)
		return key, nil
	}
	sealer, err := s.sealer(false)
	if err != nil {
		return nil, err
	}
	return sealer.Subkey("DPoP nonces"), nil
}

// connectionCertificate is what the client of the connection presented, nil for none.
func connectionCertificate(r *http.Request) (*mtls.Certificate, error) {
	return mtls.FromTLS(r.TLS), nil
}

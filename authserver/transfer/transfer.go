package transfer

import (
	"fmt"
	"sync"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/identity"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/keys"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Transfer moves environments. Safe for concurrent use. Every field is required.
type Transfer struct {
	Live   *directory.Live
	Writer *directory.Writer
	Users  *identity.Users
	Keys   *keys.Rings
	Store  store.Store
	Sealer func(create bool) (*secret.Sealer, error)

	mu        sync.Mutex        // guards importing
	importing map[string]string // environments into which a file is being read, and their organizations
}

const (
	// mostImports is how many files are read at once, and mostOfOne how many into environments of one organization: each is
	// kept on disk meanwhile.
	mostImports = 8
	mostOfOne   = 4
	// importPause is after how many seconds whoever is refused for that may ask again.
	importPause = 30
)

// enter admits an import; leave ends it.
func (t *Transfer) enter(env *store.Environment) (leave func(), err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, busy := t.importing[env.ID]; busy {
		return nil, oauth.Unavailable(importPause, "Another import into this environment is under way")
	}
	ofOne := 0
	for _, organization := range t.importing {
		if organization == env.Organization {
			ofOne++
		}
	}
	if ofOne >= mostOfOne || len(t.importing) >= mostImports {
		return nil, oauth.Unavailable(importPause, "Too many imports are under way")
	}
	if t.importing == nil {
		t.importing = map[string]string{}
	}
	t.importing[env.ID] = env.Organization
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.importing, env.ID)
	}, nil
}

// Error says where in a file something is wrong. What is wrong is an *oauth.Error
// for the client, or says that it cannot be told now.
type Error struct {
	Line int // of the file, from 1; 0 where no line is to blame
	Kind store.ObjectKind
	ID   string
	Err  error
}

// Error names the line and the object.
func (e *Error) Error() string {
	switch {
	case e.Kind != "":
		return fmt.Sprintf("line %d, %s %s: %v", e.Line, e.Kind, e.ID, e.Err)
	case e.Line > 0:
		return fmt.Sprintf("line %d: %v", e.Line, e.Err)
	}
	return e.Err.Error()
}

// Unwrap gives what is wrong.
func (e *Error) Unwrap() error { return e.Err }

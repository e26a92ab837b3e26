package transfer

import (
	"fmt"
	"sync"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/identity"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/keys"
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

	importing sync.Map // IDs of environments into which a file is being read
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

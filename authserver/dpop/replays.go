package dpop

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrReplayed says that the proof was used before.
var ErrReplayed = errors.New("dpop: the proof was used before")

// ErrFull says that a Window has no room. The request cannot be judged now.
var ErrFull = errors.New("dpop: too many proofs are remembered")

// ErrOverShare says that a Window has room, and no more of it for this owner: the error says whether for its key or its client. The request may be
// made again later.
var ErrOverShare = errors.New("dpop: too many proofs are remembered")

var (
	errKeyShare    = fmt.Errorf("%w of this key", ErrOverShare)
	errClientShare = fmt.Errorf("%w of this client", ErrOverShare)
)

// ErrOtherKey says that the proof is good, and made with another key than Request.Thumbprint.
var ErrOtherKey = errors.New("dpop: the proof was made with another key")

// Owner is whose a proof is.
type Owner struct {
	Key    string // its thumbprint (RFC 7638)
	Client Client // the zero value where that is not known
}

// Client is who used a proof's key. Anybody makes as many keys as pleases, and clients are known to a server.
type Client struct {
	Realm string // where ID is a name: an issuer or an environment
	ID    string // "" where it is not known
}

// Replays remembers which proofs were used.
type Replays interface {
	// Spend marks id as used until then: of any number of calls with one id, one gets nil, the others ErrReplayed. Another
	// error means that it cannot be told now, or, ErrOverShare, that it is not: by has used too many. After any error the proof must not
	// pass.
	Spend(ctx context.Context, by Owner, id [32]byte, until, now time.Time) error
}

package dpop

import (
	"context"
	"errors"
	"time"
)

// ErrReplayed says that the proof was used before.
var ErrReplayed = errors.New("dpop: the proof was used before")

// ErrFull says that a Window has no room. The request cannot be judged now.
var ErrFull = errors.New("dpop: too many proofs are remembered")

// ErrOverShare says that a Window has room, and no more of it for this key. The request may be made again later.
var ErrOverShare = errors.New("dpop: too many proofs by this key are remembered")

// ErrOtherKey says that the proof is good, and made with another key than Request.Thumbprint.
var ErrOtherKey = errors.New("dpop: the proof was made with another key")

// Replays remembers which proofs were used.
type Replays interface {
	// Spend marks id as used until then: of any number of calls with one id, one gets nil, the others ErrReplayed. Another
	// error means that it cannot be told now, or, ErrOverShare, that it is not: key, whose proof it is, has used too many. After any error
	// the proof must not pass.
	Spend(ctx context.Context, key string, id [32]byte, until, now time.Time) error
}

package endpoint

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/dpop"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/limit"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// What one address may prove in the name of clients that have no secret: anybody can, with any key, before it turns out that the
// rest of the request is no good, and where nodes share a store each proof is written to it.
const (
	proofsPerSecond = 20
	proofsAtOnce    = 500
)

// limited is a Replays before which somebody is asked: of good proofs alone.
type limited struct {
	dpop.Replays
	allow func() error
}

// Spend implements dpop.Replays.
func (l limited) Spend(ctx context.Context, by dpop.Owner, id [32]byte, until, now time.Time) error {
	if err := l.allow(); err != nil {
		return err
	}
	return l.Replays.Spend(ctx, by, id, until, now)
}

// allow counts a proof of a public client, or refuses it.
func (p *Possession) allow(r *http.Request) error {
	p.once.Do(func() {
		p.proofs = &limit.Limiter{Rate: proofsPerSecond, Burst: proofsAtOnce, Now: p.Now}
	})
	address := web.Address(p.Address, r)
	if p.NoLimit != nil && p.NoLimit(address) {
		return nil
	}
	ok, retryAfter := p.proofs.Allow(limit.Address(address))
	if ok {
		return nil
	}
	return tooManyProofs("dpop_limit", max(1, int(retryAfter/time.Second)), nil)
}

func tooManyProofs(reason string, retryAfter int, cause error) *oauth.Error {
	return &oauth.Error{
		Code: oauth.CodeTemporarilyUnavailable, Status: http.StatusTooManyRequests, Reason: reason,
		RetryAfter: retryAfter, Description: "There were too many DPoP proofs", Cause: cause,
	}
}

// notJudged is the failure where a proof is neither good nor bad.
func notJudged(err error) error {
	if e, ok := errors.AsType[*oauth.Error](err); ok {
		return e
	}
	if errors.Is(err, dpop.ErrOverShare) {
		return tooManyProofs("dpop_share", 5, err)
	}
	return oauth.CannotTell("judge a DPoP proof", err)
}

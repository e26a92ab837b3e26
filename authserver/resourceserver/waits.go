package resourceserver

import (
	"net/http"
	"time"
)

// moment is how long conditions may take without what depends on the time of day being judged anew.
const moment = time.Second

// waits reports whether conditions of the policies may have waited for the client.
func waits(p *Policy, also []*Policy) bool {
	if p.Waits {
		return true
	}
	for _, q := range also {
		if q != nil && q.Waits {
			return true
		}
	}
	return false
}

// meanwhile judges a token that was good when its request began, and the request with it, after conditions that may have waited for the client: who
// holds the last byte of a body back would have the request made when the token has long ended. Possession was proved for this request, at its beginning.
func (v *Verifier) meanwhile(r *http.Request, p *Policy, also []*Policy, used scheme, t *Token, began time.Time) (*Token, *Refusal) {
	now := v.config.Now()
	latest, o := v.again(r.Context(), t.entry, now)
	switch {
	case o.why != Allowed:
		return nil, v.refusals.of(p.voice(used), o)
	case latest.bound != t.bound: // to something that nobody has asked for
		return nil, v.refusals.of(p.voice(used), outcome{why: NotBound, issuer: latest.index()}).with(latest, nil)
	case latest == t && now.Sub(began) < moment:
		return t, nil
	}
	if refusal := v.judge(r, p, also, used, latest, now); refusal != nil {
		return nil, refusal
	}
	return latest, nil
}

package resourceserver

import "sync/atomic"

// maxVoices bounds the voices whose refusals are kept ready. They come from
// configuration, so more than a few are a host that makes them up.
const maxVoices = 128

// refusals keeps the refusals that are the same for every request ready:
// one for each voice, issuer and reason. Reading takes no lock.
type refusals struct {
	issuers int
	byVoice atomic.Pointer[map[voice][]*Refusal]
}

// of gives the refusal for an outcome. One with a cause, or a hint when to come back, is its own.
func (t *refusals) of(v voice, o outcome) *Refusal {
	r := t.ready(v, o)
	if o.cause == nil && o.retryAfter == 0 {
		return r
	}
	own := *r
	own.Cause = o.cause
	if o.retryAfter > 0 && own.RetryAfter > 0 {
		own.RetryAfter = o.retryAfter
	}
	return &own
}

func (t *refusals) ready(v voice, o outcome) *Refusal {
	i := (o.issuer+1)*int(ReasonCount) + int(o.why)
	table := t.byVoice.Load()
	if table != nil {
		if list, ok := (*table)[v]; ok {
			return list[i]
		}
	}
	if table != nil && len(*table) >= maxVoices {
		return newRefusal(v, o.issuer, o.why)
	}
	list := make([]*Refusal, (t.issuers+1)*int(ReasonCount))
	for issuer := -1; issuer < t.issuers; issuer++ {
		for why := Reason(0); why < ReasonCount; why++ {
			list[(issuer+1)*int(ReasonCount)+int(why)] = newRefusal(v, issuer, why)
		}
	}
	grown := map[voice][]*Refusal{v: list}
	if table != nil {
		for k, list := range *table {
			grown[k] = list
		}
	}
	t.byVoice.CompareAndSwap(table, &grown) // lost races are repeated by the next request
	return list[i]
}

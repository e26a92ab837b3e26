package resourceserver

import "sync/atomic"

// maxRealms bounds the realms whose refusals are kept ready. Realms come from
// configuration, so more than a few are a host that makes them up.
const maxRealms = 64

// refusals keeps the refusals that are the same for every request ready:
// one for each realm, issuer and reason. Reading takes no lock.
type refusals struct {
	issuers int
	byRealm atomic.Pointer[map[string][]*Refusal]
}

// of gives the refusal for an outcome. One with a cause, or a hint when to come back, is its own.
func (t *refusals) of(realm string, o outcome) *Refusal {
	r := t.ready(realm, o)
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

func (t *refusals) ready(realm string, o outcome) *Refusal {
	i := (o.issuer+1)*int(ReasonCount) + int(o.why)
	table := t.byRealm.Load()
	if table != nil {
		if list, ok := (*table)[realm]; ok {
			return list[i]
		}
	}
	if table != nil && len(*table) >= maxRealms {
		return newRefusal(realm, o.issuer, o.why, "")
	}
	list := make([]*Refusal, (t.issuers+1)*int(ReasonCount))
	for issuer := -1; issuer < t.issuers; issuer++ {
		for why := Reason(0); why < ReasonCount; why++ {
			list[(issuer+1)*int(ReasonCount)+int(why)] = newRefusal(realm, issuer, why, "")
		}
	}
	grown := map[string][]*Refusal{realm: list}
	if table != nil {
		for k, v := range *table {
			grown[k] = v
		}
	}
	t.byRealm.CompareAndSwap(table, &grown) // lost races are repeated by the next request
	return list[i]
}

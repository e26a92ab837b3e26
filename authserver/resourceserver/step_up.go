package resourceserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// Step-up (RFC 9470): how, and how long ago, the person behind a token has signed on.

// authenticated judges acr and auth_time. Absent ones say nothing, so they are not enough.
func (p *Policy) authenticated(t *Token, now time.Time) bool {
	if len(p.ACR) > 0 {
		acr, ok := t.Claims.Text("acr")
		if !ok || !slices.Contains(p.ACR, acr) {
			return false
		}
	}
	if p.MaxAge > 0 {
		at, ok := authTime(t.Claims)
		skew := t.skew()
		if !ok || at.After(now.Add(skew)) || now.Sub(at) > p.MaxAge+skew {
			return false
		}
	}
	return true
}

// authTime reads auth_time (OpenID Connect Core §2, RFC 9068 §2.2.1): seconds since the epoch.
func authTime(c *jose.Claims) (time.Time, bool) {
	v, _ := c.Value("auth_time")
	n, ok := v.(json.Number)
	if !ok {
		return time.Time{}, false
	}
	seconds, err := n.Float64()
	const end = 253402300800 // of the year 9999
	if err != nil || !(0 < seconds && seconds < end) {
		return time.Time{}, false
	}
	return time.Unix(int64(seconds), 0), true
}

// stepUp gives the parameters of the challenge that all of the policies together ask for: one sign-on that
// is good for one of them alone would be answered with the next challenge.
func stepUp(p *Policy, also []*Policy) (params []oauth.Param) {
	acr, maxAge := p.ACR, p.MaxAge
	for _, q := range also {
		if q == nil {
			continue
		}
		if q.MaxAge > 0 && (maxAge == 0 || q.MaxAge < maxAge) {
			maxAge = q.MaxAge
		}
		if len(q.ACR) == 0 {
			continue
		}
		if both := common(acr, q.ACR); len(both) > 0 {
			acr = both
		} else if len(acr) == 0 {
			acr = q.ACR
		}
	}
	if len(acr) > 0 {
		params = append(params, oauth.Param{Name: "acr_values", Value: strings.Join(acr, " ")})
	}
	if maxAge > 0 {
		params = append(params, oauth.Param{Name: "max_age", Value: strconv.FormatInt(int64(maxAge/time.Second), 10)})
	}
	return params
}

func common(a, b []string) (list []string) {
	for _, s := range a {
		if slices.Contains(b, s) {
			list = append(list, s)
		}
	}
	return list
}

func (p *Policy) validateStepUp() error {
	for _, acr := range p.ACR {
		// The challenge has them in one parameter, separated by spaces.
		if acr == "" || strings.ContainsFunc(acr, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '"' || r == '\\' }) {
			return fmt.Errorf("acr: %q cannot be written into a challenge", acr)
		}
	}
	switch {
	case p.MaxAge < 0:
		return errors.New("max_age: must not be negative")
	case p.MaxAge%time.Second != 0:
		return errors.New("max_age: must be whole seconds")
	}
	return nil
}

package assertion

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

const (
	defaultLife = time.Minute
	longestLife = 5 * time.Minute
	// reuseFor is the part of its life for which an assertion is given again to the same request: a signature costs more than all else that
	// a gate does.
	reuseFor = 4 // a quarter
)

// Signer makes assertions. Its fields must not be changed after the first Sign. Safe for concurrent use.
type Signer struct {
	Issuer   string        // iss: an absolute URL that names the gate
	Audience string        // aud
	Life     time.Duration // default 60 s, at most 5 min
	Claims   []string      // of the token, beside sub, client_id and scope
	// Key gives the key to sign with now. Required.
	Key func(ctx context.Context) (*jose.SigningKey, error)
	Now func() time.Time // default: time.Now

	recent recent
}

// Request is what an assertion is about.
type Request struct {
	Method string
	// Target is path and query as the upstream gets them.
	Target string
	// Token is the access token that the upstream gets, or, where it gets none, the client's; "" for an anonymous request.
	Token string
	// TokenIssuer vouches for the client's token, whose claims are Claims; "" and nil for an anonymous request.
	TokenIssuer string
	Claims      *jose.Claims
}

// Check reports what is wrong with the configuration, in its words.
func (s *Signer) Check() error {
	u, err := url.Parse(s.Issuer)
	switch {
	case s.Issuer == "":
		return errors.New("issuer is missing")
	case err != nil || !u.IsAbs() || u.Host == "" || u.Fragment != "":
		return fmt.Errorf("issuer: %q is not an absolute URL", s.Issuer)
	case s.Audience == "":
		return errors.New("audience is missing: the upstream must be able to tell that an assertion is meant for it")
	case s.Life < 0 || s.Life > longestLife || s.Life > 0 && s.Life < time.Second:
		return fmt.Errorf("ttl: %v is not between 1s and %v", s.Life, longestLife)
	}
	for _, name := range s.Claims {
		if slices.Contains(reserved, name) {
			return fmt.Errorf("claim: %s says something else in an assertion", name)
		}
		if name == "" {
			return errors.New("claim: a name is needed")
		}
	}
	return nil
}

func (s *Signer) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

func (s *Signer) life() time.Duration {
	if s.Life == 0 {
		return defaultLife
	}
	return s.Life
}

// Sign makes the assertion for a request. One that was made a short while ago for a request that is the same in all that it says is given
// again.
func (s *Signer) Sign(ctx context.Context, r Request) (string, error) {
	now := s.now()
	id := r.id()
	if text, ok := s.recent.get(id, r.Claims, now); ok {
		return text, nil
	}
	key, err := s.Key(ctx)
	if err != nil {
		return "", fmt.Errorf("key of assertions: %w", err)
	}
	encoded, end, err := s.encode(r, now)
	if err != nil {
		return "", fmt.Errorf("assertion: %w", err)
	}
	text, err := key.Sign(Type, encoded)
	if err != nil {
		return "", fmt.Errorf("assertion: %w", err)
	}
	s.recent.put(id, made{text: text, claims: r.Claims, from: now, until: now.Add(end.Sub(now) / reuseFor)})
	return text, nil
}

// leastLife is what an assertion is good for at least, for the sake of clocks that differ: an access token may be used a little past its end.
const leastLife = 5 * time.Second

// encode writes the claims. They end with the token, where that is earlier.
func (s *Signer) encode(r Request, now time.Time) (b []byte, end time.Time, err error) {
	end = now.Add(s.life())
	claims := map[string]any{
		"iss": s.Issuer, "aud": s.Audience, "iat": now.Unix(), claimMethod: r.Method, claimTarget: r.Target,
	}
	if r.Claims != nil {
		if exp := r.Claims.Expiry; !exp.IsZero() && exp.Before(end) {
			end = exp
			if least := now.Add(leastLife); end.Before(least) {
				end = least
			}
		}
		claims[claimIssuer] = r.TokenIssuer
		for _, list := range [][]string{always, s.Claims} {
			for _, name := range list {
				if raw, ok := r.Claims.Raw(name); ok {
					claims[name] = raw
				}
			}
		}
	}
	if r.Token != "" {
		claims[claimHash] = hash(r.Token)
	}
	claims["exp"] = end.Unix()
	b, err = json.Marshal(claims)
	return b, end, err
}

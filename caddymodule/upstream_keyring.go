package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

const (
	// rotateEvery is how long a key signs that was made here.
	rotateEvery = 90 * 24 * time.Hour
	// publishAhead is how long the next key is published before it signs: longer than upstreams and other nodes keep what they have seen.
	publishAhead = 24 * time.Hour
	// publishAfter is how long a key is published that signs no more: longer than an assertion is good.
	publishAfter = time.Hour
)

// keyRing are keys in the order in which they sign. It is never changed.
type keyRing []ringKey

// ringKey is a key and from when on it signs: until the next one does.
type ringKey struct {
	key  *jose.SigningKey
	from time.Time
}

// signing is the key to sign with at now.
func (r keyRing) signing(now time.Time) *jose.SigningKey { return r[r.current(now)].key }

func (r keyRing) current(now time.Time) int {
	for i := len(r) - 1; i > 0; i-- {
		if !now.Before(r[i].from) {
			return i
		}
	}
	return 0 // even where the clock was set back
}

// renewed is the ring as it should be at now: with a next key when it is time for one, and without those that nobody needs any more.
// changed is false where nothing is to be done.
func (r keyRing) renewed(now time.Time) (_ keyRing, changed bool, err error) {
	var next ringKey
	switch {
	case len(r) == 0:
		next.from = now
	case !now.Before(r[len(r)-1].from.Add(rotateEvery - publishAhead)):
		next.from = now.Add(publishAhead)
	}
	gone := 0
	for gone+1 < len(r) && !now.Before(r[gone+1].from.Add(publishAfter)) {
		gone++
	}
	if next.from.IsZero() && gone == 0 {
		return r, false, nil
	}
	kept := append(keyRing{}, r[gone:]...)
	if next.from.IsZero() {
		return kept, true, nil
	}
	if next.key, err = jose.GenerateSigningKey(jose.ES256, 0); err != nil {
		return nil, false, err
	}
	return append(kept, next), true, nil
}

// document is the JWK Set of the public keys.
func (r keyRing) document() ([]byte, error) {
	set := struct {
		Keys []json.RawMessage `json:"keys"`
	}{}
	for _, k := range r {
		public, err := k.key.PublicJWK()
		if err != nil {
			return nil, err
		}
		set.Keys = append(set.Keys, public)
	}
	return json.Marshal(set)
}

// storedKey is a key as it is written to the storage, private half and all.
type storedKey struct {
	From time.Time       `json:"from"`
	Key  json.RawMessage `json:"key"`
}

type storedRing struct {
	Keys []storedKey `json:"keys"`
}

func (r keyRing) encode() ([]byte, error) {
	var s storedRing
	for _, k := range r {
		private, err := k.key.MarshalPrivate()
		if err != nil {
			return nil, err
		}
		s.Keys = append(s.Keys, storedKey{k.from.UTC(), private})
	}
	return json.Marshal(s)
}

// parseKeyRing reads what encode wrote. Errors have nothing of it.
func parseKeyRing(text []byte) (keyRing, error) {
	var s storedRing
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, errors.New("not what was written there: not JSON of the kind")
	}
	if len(s.Keys) == 0 {
		return nil, errors.New("not what was written there: no keys")
	}
	var r keyRing
	for _, k := range s.Keys {
		key, err := jose.ParseSigningKey(k.Key, "", "")
		if err != nil {
			return nil, fmt.Errorf("not what was written there: %w", err)
		}
		r = append(r, ringKey{key, k.From})
	}
	return r, nil
}

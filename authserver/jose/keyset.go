package jose

import (
	"errors"
	"slices"
)

// KeySet is a read-only set of verification keys.
type KeySet struct {
	keys []*Key
	byID map[string][]*Key // those that have a kid
}

// KeySetLimits bounds a JWK Set. Zero fields mean the defaults.
type KeySetLimits struct {
	Size int // bytes; default 1 MiB
	Keys int // keys kept; default 100, the rest is skipped
}

func (l KeySetLimits) withDefaults() KeySetLimits {
	if l.Size <= 0 {
		l.Size = 1 << 20
	}
	if l.Keys <= 0 {
		l.Keys = 100
	}
	return l
}

// keySetJSON bounds the JSON of a JWK Set that is within its size. Certificate
// chains make members many, but nothing in a set is deep.
var keySetJSON = Limits{Depth: 16, Members: 100_000}

// ParseKeySet reads a JWK Set (RFC 7517 §5). Keys that cannot or must not be
// used (unknown kty, weak RSA, off-curve points, private or symmetric members, use enc, a repeated
// kid) are skipped and counted, the others work. A document that is not a JWK
// Set is an error.
//
// Two keys may share a kid where no alg fits both, as when one key is published
// once for RS256 and once for PS256 (RFC 7517 §4.5); otherwise the first one has it.
func ParseKeySet(b []byte, lim KeySetLimits) (set *KeySet, skipped int, err error) {
	lim = lim.withDefaults()
	if len(b) > lim.Size {
		return nil, 0, refuse(ProblemOversized, "the JWK Set is too long")
	}
	list := ""
	err = scanObject(string(b), keySetJSON, func(name, text string) error {
		if name == "keys" {
			list = text
		}
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	if list == "" || list[0] != '[' {
		return nil, 0, malformed("not a JWK Set: keys is not an array")
	}
	set = NewKeySet()
	_ = rescan(list).elements(func(text string) error { // cannot fail: it was scanned before
		if len(set.keys) >= lim.Keys {
			skipped++
			return nil
		}
		k, err := parsePublicJWK(text)
		if err != nil || set.shadows(k) {
			skipped++
			return nil
		}
		set.add(k)
		return nil
	})
	return set, skipped, nil
}

// NewKeySet collects keys. nil ones are left out.
func NewKeySet(keys ...*Key) *KeySet {
	s := &KeySet{byID: make(map[string][]*Key)}
	for _, k := range keys {
		if k != nil {
			s.add(k)
		}
	}
	return s
}

func (s *KeySet) add(k *Key) {
	s.keys = append(s.keys, k)
	if k.ID != "" {
		s.byID[k.ID] = append(s.byID[k.ID], k)
	}
}

// shadows reports whether a key that is already there has k's kid and could be
// meant where k is.
func (s *KeySet) shadows(k *Key) bool {
	return slices.ContainsFunc(s.byID[k.ID], func(have *Key) bool {
		return have.kty == k.kty && have.crv == k.crv && (have.alg == "" || k.alg == "" || have.alg == k.alg)
	})
}

// Len is the number of usable keys.
func (s *KeySet) Len() int { return len(s.keys) }

// Find picks the key that a header asks for: by kid where the header has one,
// otherwise the only key that fits alg. None, or several, is nil: keys are never
// tried in turn.
func (s *KeySet) Find(h *Header) *Key {
	candidates := s.keys
	if h.HasKeyID {
		candidates = s.byID[h.KeyID]
	}
	var found *Key
	for _, k := range candidates {
		if !k.Fits(h.Algorithm) {
			continue
		}
		if found != nil {
			return nil
		}
		found = k
	}
	return found
}

// HasID reports whether a key with this kid is in the set, whether or not it fits.
func (s *KeySet) HasID(kid string) bool { return len(s.byID[kid]) > 0 }

// parsePublicJWK reads one key of a set; text has passed the scanner.
func parsePublicJWK(text string) (*Key, error) {
	p, err := readJWK(text)
	if err != nil {
		return nil, err
	}
	if p.private {
		return nil, errors.New("the JWK has private members")
	}
	raw, err := p.raw()
	if err != nil {
		return nil, err
	}
	k, err := newPublicKey(p.kid, p.alg, raw)
	if err == nil {
		k.certificate = p.certificate
	}
	return k, err
}

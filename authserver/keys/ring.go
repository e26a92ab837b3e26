package keys

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Ring is one state of an environment's keys. It is immutable; a rotation makes
// a new one, so two pointers that are equal mean the same keys.
type Ring struct {
	// Set verifies what this environment signed.
	Set *jose.KeySet
	// JWKS is the published JWK Set (RFC 7517 §5): public halves only. Read only.
	JWKS []byte
	// Algorithms are what tokens are signed with now: first the environment's, then those of
	// policies. Read only.
	Algorithms []string

	version int64
	current map[string]*jose.SigningKey // by policy; "" is the environment's own
	keys    map[string]opened           // by kid

	rotations map[string]row // by policy
}

// row is which keys a rotation has.
type row struct {
	current, next string
	since         time.Time
}

// opened is a key and its published form.
type opened struct {
	key   *jose.SigningKey
	jwk   json.RawMessage
	chain [][]byte // certificates (DER)
	data  string   // store.Key.Data that it was made with
}

// newRing opens sealed keys. Those that old has open already are taken from it.
func newRing(env string, records []store.Key, version int64, old *Ring, seal *secret.Sealer) (*Ring, error) {
	r := &Ring{version: version, keys: make(map[string]opened, len(records)), current: map[string]*jose.SigningKey{}, rotations: map[string]row{}}
	var public []*jose.Key
	var published []json.RawMessage
	for i := range records {
		rec := &records[i]
		if rec.Slot == store.SlotStored {
			continue // no token's business
		}
		var k opened
		if old != nil {
			k = old.keys[rec.ID]
		}
		if k.key == nil || k.data != string(rec.Data) {
			var err error
			if k.key, err = open(seal, env, rec); err != nil {
				return nil, err
			}
			if err := k.publish(rec); err != nil {
				return nil, fmt.Errorf("publish key %s: %w", rec.ID, err)
			}
			k.data = string(rec.Data)
		}
		r.keys[rec.ID] = k
		public = append(public, k.key.Public())
		published = append(published, k.jwk)
		in := r.rotations[rec.Policy]
		switch rec.Slot {
		case store.SlotCurrent:
			r.current[rec.Policy], in.current, in.since = k.key, rec.ID, rec.SignsFrom
		case store.SlotNext:
			in.next = rec.ID
		default:
			continue
		}
		r.rotations[rec.Policy] = in
	}
	if r.current[""] == nil {
		return nil, fmt.Errorf("the key ring of environment %s has no current key", env)
	}
	for _, policy := range slices.Sorted(maps.Keys(r.current)) { // "" is the first
		if alg := r.current[policy].Algorithm(); !slices.Contains(r.Algorithms, alg) {
			r.Algorithms = append(r.Algorithms, alg)
		}
	}
	body, err := json.Marshal(map[string]any{"keys": published})
	if err != nil {
		return nil, fmt.Errorf("publish keys: %w", err)
	}
	r.Set, r.JWKS = jose.NewKeySet(public...), body
	return r, nil
}

// publish makes the JWK of a key's public half, with kid, use and alg, and with
// a certificate for those who want one (x5c, x5t; RFC 7517 §4.7, §4.8).
func (o *opened) publish(rec *store.Key) error {
	text, err := o.key.PublicJWK()
	if err != nil {
		return err
	}
	var jwk map[string]any
	if err := json.Unmarshal(text, &jwk); err != nil {
		return err
	}
	if o.chain, err = chainOf(o.key, rec); err != nil {
		return err
	}
	var x5c []string
	for _, der := range o.chain {
		x5c = append(x5c, base64.StdEncoding.EncodeToString(der))
	}
	jwk["x5c"], jwk["x5t"] = x5c, jose.X5T(o.chain[0])
	o.key = o.key.Certified(o.chain[0])
	o.jwk, err = json.Marshal(jwk)
	return err
}

// chainOf gives the certificates of a key: its own first. A key without any is
// given one that says nothing but its kid.
func chainOf(key *jose.SigningKey, rec *store.Key) ([][]byte, error) {
	d, err := describe(rec)
	if err != nil || len(d.Chain) > 0 {
		return d.Chain, err
	}
	der, err := key.Certificate(rec.CreatedAt)
	return [][]byte{der}, err
}

// seal encrypts the private half of key for env. The environment and the kid are
// authenticated with it, so that no row can be moved to another place.
func seal(s *secret.Sealer, env string, key *jose.SigningKey) ([]byte, error) {
	private, err := key.MarshalPrivate()
	if err != nil {
		return nil, fmt.Errorf("encode key %s: %w", key.ID(), err)
	}
	defer clear(private)
	sealed, err := s.Seal(private, additional(env, key.ID()))
	if err != nil {
		return nil, fmt.Errorf("seal key %s: %w", key.ID(), err)
	}
	return sealed, nil
}

func open(s *secret.Sealer, env string, rec *store.Key) (*jose.SigningKey, error) {
	private, err := s.Open(rec.Sealed, additional(env, rec.ID))
	if err != nil {
		return nil, fmt.Errorf("open signing key %s of environment %s (is this the secrets_key it was sealed with?): %w", rec.ID, env, err)
	}
	defer clear(private)
	key, err := jose.ParseSigningKey(private, rec.Algorithm, rec.ID)
	if err != nil {
		return nil, fmt.Errorf("read signing key %s of environment %s: %w", rec.ID, env, err)
	}
	return key, nil
}

func additional(env, kid string) []byte {
	return bytes.Join([][]byte{[]byte("gatehouse signing key"), []byte(env), []byte(kid)}, []byte{0})
}

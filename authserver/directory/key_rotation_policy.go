package directory

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// KeyRotationPolicy is a rotation of signing keys of its own: the tokens of the
// applications that name it are signed with its CURRENT key. Which keys it has is
// package keys' business.
//
// Every environment has a first one, which is its own rotation, as it is
// configured; it signs for applications that name none.
type KeyRotationPolicy struct {
	Name               string `json:"name"`
	Algorithm          string `json:"algorithm"`          // RSA
	DN                 string `json:"dn,omitzero"`        // subject of the certificates, as in RFC 4514
	KeyLength          int64  `json:"keyLength"`          // bits
	SignatureAlgorithm string `json:"signatureAlgorithm"` // SHA256withRSA
	UsageType          string `json:"usageType"`          // SIGNING
	// RotationPeriod is how many days a key signs; ValidityPeriod for how many its certificate is good from
	// when it begins to sign.
	RotationPeriod *int64 `json:"rotationPeriod,omitzero"`
	ValidityPeriod *int64 `json:"validityPeriod,omitzero"`
}

var (
	_ Document = (*KeyRotationPolicy)(nil)
	_ Keyed    = (*KeyRotationPolicy)(nil)
	_ Holding  = (*KeyRotationPolicy)(nil)
)

const (
	// MaxKeyRotationPolicies of one environment, its own rotation included: PingOne's number.
	MaxKeyRotationPolicies = 5

	minRotationPeriod     = 30 // days
	defaultRotationPeriod = 90
	defaultValidityPeriod = 365
	maxValidityPeriod     = 36500

	signatureSHA256RSA = "SHA256withRSA"
	usageSigning       = "SIGNING"

	firstPolicy = "default"
)

// rsaLengths are the sizes of RSA keys that PingOne knows, in bits.
var rsaLengths = []int64{2048, 3072, 4096, 7680}

// FirstKeyRotationPolicy is the ID of the policy that is the environment's own
// rotation. Its keys are those of no policy for package keys.
func FirstKeyRotationPolicy(environment string) string {
	return BuiltinID(environment, store.KindKeyRotationPolicy, firstPolicy)
}

// SigningPolicy is what Client.KeyRotationPolicy has for the policy with this ID.
func SigningPolicy(environment, id string) string {
	if id == FirstKeyRotationPolicy(environment) {
		return ""
	}
	return id
}

// builtinKeyRotationPolicy is env's own rotation. Its certificates have no end.
func builtinKeyRotationPolicy(env *store.Environment) *KeyRotationPolicy {
	days := int64((env.KeyRotation + 24*time.Hour - 1) / (24 * time.Hour))
	p := &KeyRotationPolicy{Name: "Default", UsageType: usageSigning, RotationPeriod: &days}
	p.Algorithm, p.KeyLength, p.SignatureAlgorithm = "RSA", 2048, signatureSHA256RSA
	switch env.SigningAlgorithm {
	case jose.ES256:
		p.Algorithm, p.KeyLength, p.SignatureAlgorithm = "EC", 256, "SHA256withECDSA"
	case jose.EdDSA: // PingOne has no word for it
		p.Algorithm, p.KeyLength, p.SignatureAlgorithm = "Ed25519", 256, "Ed25519"
	}
	return p
}

func builtinKeyRotationPolicies(env *store.Environment) []Item {
	var it Item
	it.ID, it.Document = FirstKeyRotationPolicy(env.ID), builtinKeyRotationPolicy(env)
	return []Item{it}
}

// Kind implements Document.
func (*KeyRotationPolicy) Kind() store.ObjectKind { return store.KindKeyRotationPolicy }

// Label implements Document.
func (p *KeyRotationPolicy) Label() string { return p.Name }

// Keys implements Keyed: the name is unique.
func (p *KeyRotationPolicy) Keys() (unique, lookups []string) {
	return []string{"name " + p.Name}, nil
}

// Check implements Document. Who creates two policies at once may get one more
// than there should be: that does no harm.
func (p *KeyRotationPolicy) Check(ctx context.Context, c *Checking) error {
	if p.RotationPeriod == nil {
		p.RotationPeriod = new(int64(defaultRotationPeriod))
	}
	if p.ValidityPeriod == nil {
		p.ValidityPeriod = new(int64(defaultValidityPeriod))
	}
	var j judge
	j.named("name", p.Name, 256)
	j.oneOf("algorithm", p.Algorithm, "RSA")
	j.oneOf("signatureAlgorithm", p.SignatureAlgorithm, signatureSHA256RSA)
	j.oneOf("usageType", p.UsageType, usageSigning)
	j.keyLength(p.KeyLength)
	if p.DN == "" {
		j.add(RequiredValue, "dn", "must not be empty")
	} else if _, err := jose.ParseDN(p.DN); err != nil {
		j.add(InvalidValue, "dn", "must be a distinguished name (RFC 4514): %v", err)
	}
	j.within("validityPeriod", p.ValidityPeriod, minRotationPeriod+1, maxValidityPeriod)
	j.within("rotationPeriod", p.RotationPeriod, minRotationPeriod, max(minRotationPeriod, *p.ValidityPeriod-1))
	if err := j.verdict(); err != nil {
		return err
	}
	if c.Old != nil {
		return nil
	}
	items, _, err := c.Live.Items(ctx, c.Environment, store.KindKeyRotationPolicy, "", "", MaxKeyRotationPolicies)
	if err != nil {
		return oauth.CannotTell("list key rotation policies", err)
	}
	if len(items) >= MaxKeyRotationPolicies {
		j.inner(map[string]any{"maximumValue": MaxKeyRotationPolicies}, ConstraintViolation, "",
			"an environment has at most %d key rotation policies", MaxKeyRotationPolicies)
	}
	return j.verdict()
}

// keyLength wants one of the sizes of RSA keys.
func (j *judge) keyLength(bits int64) {
	for _, l := range rsaLengths {
		if bits == l {
			return
		}
	}
	code := InvalidValue
	if bits == 0 {
		code = RequiredValue
	}
	j.inner(map[string]any{"allowedValues": rsaLengths}, code, "keyLength", "must be 2048, 3072, 4096 or 7680")
}

// Deletable implements Holding: no application may name the policy.
func (p *KeyRotationPolicy) Deletable(ctx context.Context, c *Checking) error {
	users, err := c.Live.ItemsByKey(ctx, c.Environment, store.KindApplication, ApplicationsOfPolicy(c.ID), 1)
	if err != nil {
		return oauth.CannotTell("find applications of the policy", err)
	}
	if len(users) == 0 {
		return nil
	}
	return Invalid(Problemf(ConstraintViolation, "", "the key rotation policy must not be in use: the application %s (%s) has it",
		users[0].Document.Label(), users[0].ID))
}

// ApplicationsOfPolicy is the key by which applications are found that name a policy.
func ApplicationsOfPolicy(id string) string { return "keyRotationPolicy " + id }

// ApplicationsOfKey is the key by which applications are found that name a key of package keys.
func ApplicationsOfKey(id string) string { return "key " + id }

// StoredKeyRotationPolicies lists the policies of an environment beside its own rotation, by ID.
func StoredKeyRotationPolicies(ctx context.Context, s store.Objects, environment string) (map[string]*KeyRotationPolicy, error) {
	// A few more than there should be: see Check.
	stored, err := s.ListObjects(ctx, store.ObjectFilter{Environment: environment, Kind: store.KindKeyRotationPolicy}, "", 10*MaxKeyRotationPolicies)
	if err != nil {
		return nil, fmt.Errorf("list key rotation policies: %w", err)
	}
	policies := make(map[string]*KeyRotationPolicy, len(stored))
	for _, o := range stored {
		p := &KeyRotationPolicy{}
		if err := json.Unmarshal(o.Data, p); err != nil {
			return nil, fmt.Errorf("read key rotation policy %s: %w", o.ID, err)
		}
		policies[o.ID] = p
	}
	return policies, nil
}

// Period is how long a key signs, and Validity how long its certificate is good.
func (p *KeyRotationPolicy) Period() time.Duration {
	return days(p.RotationPeriod, defaultRotationPeriod)
}

// Validity is explained at Period.
func (p *KeyRotationPolicy) Validity() time.Duration {
	return days(p.ValidityPeriod, defaultValidityPeriod)
}

func days(n *int64, otherwise int64) time.Duration {
	if n != nil {
		otherwise = *n
	}
	return time.Duration(otherwise) * 24 * time.Hour
}

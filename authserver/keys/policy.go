package keys

import (
	"context"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Policy is a key rotation policy: a rotation beside the environment's own, whose
// keys sign for the applications that name it. Its keys are RSA and sign RS256.
type Policy struct {
	ID string
	// KeyLength is in bits; 0 means 2048.
	KeyLength int
	// DN is the subject of the keys' certificates, in RFC 4514's form.
	DN string
	// Period is how long a key signs; Validity how long its certificate is good. They are more than zero.
	Period, Validity time.Duration
}

// Policies lists the key rotation policies of an environment, beside its own
// rotation. It is asked after the ring was read, so that a policy whose keys are in the
// ring is one that it knows. An environment that is gone is store.ErrNotFound.
type Policies func(ctx context.Context, env *store.Environment) ([]Policy, error)

// rotation is one row of slots: of the environment itself, or of a policy.
type rotation struct {
	policy    string // ID; "" for the environment's own
	algorithm string
	period    time.Duration
	overlap   time.Duration
	length    int // of RSA keys in bits; 0 for the usual
	dn        string
	validity  time.Duration
}

// rotations of an environment: its own first.
func rotations(env *store.Environment, policies []Policy) []rotation {
	all := []rotation{{algorithm: env.SigningAlgorithm, period: env.KeyRotation, overlap: env.KeyOverlap}}
	for _, p := range policies {
		all = append(all, rotation{
			policy: p.ID, algorithm: policyAlgorithm, period: p.Period, overlap: min(env.KeyOverlap, p.Period),
			length: p.KeyLength, dn: p.DN, validity: p.Validity,
		})
	}
	return all
}

package directory

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Bounds of how long a replaced secret is good beside the new one.
const (
	MinPreviousSecret = time.Minute
	MaxPreviousSecret = 30 * 24 * time.Hour
	// minClientSecret is what a secret needs that is brought along, and minHMACSecret one that signs (RFC 7518 §3.2).
	minClientSecret = 8
	minHMACSecret   = 32
	maxClientSecret = 1024
)

// Secret is the secret of an application or a resource, which is its parent and
// has the same ID. Its JSON says when what happened; the secrets themselves are
// in the sealed part.
type Secret struct {
	// RotatedAt is when Current was drawn; nil for the first one.
	RotatedAt *time.Time `json:"rotatedAt,omitzero"`
	// Previous is the secret before, for as long as it is good.
	Previous *PreviousSecret `json:"previous,omitzero"`

	current, previous string
}

// PreviousSecret says until when a replaced secret is good.
type PreviousSecret struct {
	ExpiresAt time.Time `json:"expiresAt"`
}

// newSecret is a first secret: imported, or drawn where that is "".
func newSecret(imported string) *Secret {
	if imported == "" {
		imported = newClientSecret()
	}
	return &Secret{current: imported}
}

// NewSecret is the first secret of a new resource: imported, or drawn where that
// is "".
func NewSecret(imported string) *Secret { return newSecret(imported) }

// Current is the secret.
func (s *Secret) Current() string { return s.current }

// Before is the secret that Current replaced and until when it is good; "" where
// there is none at now.
func (s *Secret) Before(now time.Time) (text string, until time.Time) {
	if s.Previous == nil || !now.Before(s.Previous.ExpiresAt) {
		return "", time.Time{}
	}
	return s.previous, s.Previous.ExpiresAt
}

// Rotated is s with a new secret. The old one is good until keep; nil: it ends at once. An
// older one than that ends in any case: at most one is good beside the current.
func (s *Secret) Rotated(now time.Time, keep *time.Time) (*Secret, error) {
	now = now.UTC().Truncate(time.Millisecond)
	out := &Secret{RotatedAt: &now, current: newClientSecret()}
	if keep == nil {
		return out, nil
	}
	until := keep.UTC().Truncate(time.Millisecond)
	if until.Before(now.Add(MinPreviousSecret)) || until.After(now.Add(MaxPreviousSecret)) {
		return nil, Invalid(Problem{
			Code: OutOfRange, Target: "previous.expiresAt", Message: "must be from 1 minute to 30 days ahead",
			Inner: map[string]any{
				"rangeMinimumValue": now.Add(MinPreviousSecret).Format(time.RFC3339), "rangeMaximumValue": now.Add(MaxPreviousSecret).Format(time.RFC3339),
			},
		})
	}
	out.Previous, out.previous = &PreviousSecret{until}, s.current
	return out, nil
}

// WithoutPrevious is s after the previous secret was dropped.
func (s *Secret) WithoutPrevious() *Secret {
	return &Secret{RotatedAt: s.RotatedAt, current: s.current}
}

// clientSecrets are those that are good at some time from now on, the current one first.
func (s *Secret) clientSecrets() []store.ClientSecret {
	list := []store.ClientSecret{{Value: []byte(s.current)}}
	if s.Previous != nil && s.previous != "" {
		list = append(list, store.ClientSecret{Value: []byte(s.previous), Expires: s.Previous.ExpiresAt})
	}
	return list
}

// secretOf is the document of secrets that were declared or registered.
func secretOf(secrets []store.ClientSecret) *Secret {
	if len(secrets) == 0 {
		return nil
	}
	s := &Secret{current: string(secrets[0].Value)}
	if len(secrets) > 1 && !secrets[1].Expires.IsZero() {
		s.Previous, s.previous = &PreviousSecret{secrets[1].Expires}, string(secrets[1].Value)
	}
	return s
}

// declaredSecrets are those of declared applications and resources.
func declaredSecrets(l *Live, env *store.Environment) []Item {
	list := declaredApplications(store.KindSecret)(l, env)
	for _, r := range l.Declared.DeclaredResources() {
		if r.Environment != env.ID || len(r.Secret) == 0 {
			continue
		}
		list = append(list, Item{
			Object:   store.Object{ID: r.ID, Parent: r.ID},
			Declared: l.Declared.DeclaredAt(env.ID, store.KindResource, r.ID),
			Document: secretOf([]store.ClientSecret{{Value: r.Secret}}),
		})
	}
	return list
}

// Kind is store.KindSecret.
func (*Secret) Kind() store.ObjectKind { return store.KindSecret }

// Label is nothing: a secret has no name.
func (*Secret) Label() string { return "" }

// Action says that the secret was rotated, or that the previous one was dropped.
func (s *Secret) Action(old Document) string {
	before, _ := old.(*Secret)
	switch {
	case before == nil:
		return ""
	case before.current != s.current:
		return "SECRET.ROTATED"
	}
	return "SECRET.PREVIOUS_DELETED"
}

// sealedSecret is the sealed part.
type sealedSecret struct {
	Current  string `json:"current"`
	Previous string `json:"previous,omitempty"`
}

// SecretPart is what is kept sealed.
func (s *Secret) SecretPart() ([]byte, error) {
	return json.Marshal(sealedSecret{s.current, s.previous})
}

// SetSecretPart takes what was kept sealed.
func (s *Secret) SetSecretPart(b []byte) error {
	var part sealedSecret
	if err := json.Unmarshal(b, &part); err != nil {
		return fmt.Errorf("sealed part of a secret: %w", err) // json's errors have no values
	}
	s.current, s.previous = part.Current, part.Previous
	return nil
}

// Check refuses a secret that somebody brought along and that is too weak for
// what the application does with it.
func (s *Secret) Check(ctx context.Context, c *Checking) error {
	if _, err := c.application(ctx); err != nil && !notFound(err) { // it may be a resource's, or of what is not there yet
		return err
	}
	var j judge
	j.clientSecret(s.current, "")
	return j.verdict()
}

// clientSecret wants a secret that a client can send, and that is long enough for method.
func (j *judge) clientSecret(text, method string) {
	least := minClientSecret
	if method == authSecretJWT {
		least = minHMACSecret
	}
	switch {
	case len(text) < least || len(text) > maxClientSecret:
		j.inner(map[string]any{"rangeMinimumValue": least, "rangeMaximumValue": maxClientSecret}, OutOfRange, "clientSecret",
			"must have %d to %d characters", least, maxClientSecret)
	default:
		for i := range len(text) { // RFC 6749 appendix A.2
			if text[i] < ' ' || text[i] > '~' {
				j.add(InvalidValue, "clientSecret", "must be printable ASCII")
				return
			}
		}
	}
}

// String is "[redacted]".
func (*Secret) String() string { return "[redacted]" }

// GoString is String.
func (*Secret) GoString() string { return "[redacted]" }

package directory

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/fetch"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/pattern"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Subscription is a webhook: who is told of which changes, and where. Its signing
// secrets and the values of its headers are sealed: its JSON has neither.
type Subscription struct {
	Name string `json:"name"`
	// Enabled false: nothing is sent, and what happens meanwhile is not sent later.
	Enabled *bool `json:"enabled"`
	// Protocol is HTTPS, Format ACTIVITY, or absent.
	Protocol     *string               `json:"protocol,omitzero"`
	Format       *string               `json:"format,omitzero"`
	HTTPEndpoint *SubscriptionEndpoint `json:"httpEndpoint"`
	Filter       *SubscriptionFilter   `json:"filterOptions"`
	// VerifyTLSCertificates is true: there is no other way here.
	VerifyTLSCertificates *bool `json:"verifyTlsCertificates"`

	// What PingOne has and we do not: refused, since what is sent would be something else.
	ConnectionDetails json.RawMessage `json:"connectionDetails,omitzero"`
	PayloadOptions    json.RawMessage `json:"payloadOptions,omitzero"`
	ClientKeyPair     json.RawMessage `json:"tlsClientAuthKeyPair,omitzero"`

	sealed subscriptionSecrets
}

// SubscriptionEndpoint is where messages go. The values of Headers are shown as "[redacted]"; to write that
// leaves a value as it is.
type SubscriptionEndpoint struct {
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers,omitzero"`
}

// SubscriptionFilter is what a subscription wants to hear of: everything that agrees with each member that is there.
type SubscriptionFilter struct {
	// IncludedActionTypes are actions ("APPLICATION.UPDATED"); "APPLICATION.*" stands for all of a kind, and "*" for all.
	IncludedActionTypes []string `json:"includedActionTypes"`
	// IncludedApplications: what is about one of them or was done by one. IncludedPopulations: what is about
	// one of them, or a person in one. At most ten each.
	IncludedApplications []Reference `json:"includedApplications,omitzero"`
	IncludedPopulations  []Reference `json:"includedPopulations,omitzero"`
	// No event has tags, an address or a user agent here.
	IncludedTags     []string `json:"includedTags,omitzero"`
	IPAddressExposed *bool    `json:"ipAddressExposed,omitzero"`
	UserAgentExposed *bool    `json:"userAgentExposed,omitzero"`
}

// subscriptionSecrets is the sealed part.
type subscriptionSecrets struct {
	Headers map[string]string    `json:"headers,omitzero"`
	Secrets []SubscriptionSecret `json:"secrets,omitzero"`
}

// SubscriptionSecret signs messages (Standard Webhooks). Value is "whsec_" and the base64 of the key.
type SubscriptionSecret struct {
	Value string `json:"value"`
	// Expires is when it stops signing; zero for the current one.
	Expires time.Time `json:"expires,omitzero"`
}

// MaxSubscriptions is how many an environment can have: each change may be told to all of them, and is stored
// together with what is told.
const MaxSubscriptions = 50

// Limits of a subscription.
const (
	maxSubscriptionFilters = 10
	maxSubscriptionActions = 200
	maxSubscriptionHeaders = 20
	maxHeaderValue         = 4096

	// SubscriptionSecretPrefix begins a signing secret (Standard Webhooks, "Signing secret serialization").
	SubscriptionSecretPrefix = "whsec_"

	redactedHeader = "[redacted]"
)

var (
	actionPattern     = pattern.New(`^(\*|[A-Z][A-Z0-9_]{0,99}\.(\*|[A-Z][A-Z0-9_]{0,99}))$`)
	headerNamePattern = pattern.New("^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$") // RFC 9110 §5.1
)

// ownHeaders are those that are not a subscription's to set: what frames the message, what is ours to
// say, and what a proxy would act on.
var ownHeaders = []string{
	"accept-encoding", "connection", "content-encoding", "content-length", "content-type", "expect", "host", "http2-settings",
	"idempotency-key", "keep-alive", "proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
	"user-agent", "x-idempotency-key",
}

// Kind implements Document.
func (*Subscription) Kind() store.ObjectKind { return store.KindSubscription }

// Label implements Document.
func (s *Subscription) Label() string { return s.Name }

// Check implements Document. A new subscription gets a signing secret; another
// one keeps those that it has. Who creates two at once may get one more than there should be: that does no harm.
func (s *Subscription) Check(ctx context.Context, c *Checking) error {
	old, _ := c.Old.(*Subscription)
	var j judge
	j.named("name", s.Name, maxName)
	if s.Enabled == nil {
		j.add(RequiredValue, "enabled", "must be true or false")
	}
	if s.Protocol != nil {
		j.oneOf("protocol", *s.Protocol, "HTTPS")
	}
	if s.Format != nil {
		j.oneOf("format", *s.Format, "ACTIVITY")
	}
	switch {
	case s.VerifyTLSCertificates == nil:
		j.add(RequiredValue, "verifyTlsCertificates", "must be true")
	case !*s.VerifyTLSCertificates:
		j.add(InvalidValue, "verifyTlsCertificates", "must be true: certificates are always verified")
	}
	for _, m := range []struct {
		name  string
		value *json.RawMessage
	}{
		{"connectionDetails", &s.ConnectionDetails}, {"payloadOptions", &s.PayloadOptions}, {"tlsClientAuthKeyPair", &s.ClientKeyPair},
	} {
		if string(*m.value) == "null" {
			*m.value = nil
		}
		if *m.value != nil {
			j.add(InvalidValue, m.name, "is not supported")
		}
	}
	s.Filter.check(&j)
	s.checkEndpoint(&j, old)
	if err := j.verdict(); err != nil {
		return err
	}
	if old == nil {
		if err := c.roomForSubscription(ctx); err != nil {
			return err
		}
	}
	if len(s.sealed.Secrets) == 0 && old != nil {
		s.sealed.Secrets = old.sealed.Secrets
	}
	if len(s.sealed.Secrets) == 0 {
		s.sealed.Secrets = []SubscriptionSecret{{Value: newSubscriptionSecret()}}
	}
	s.sealed.Secrets = slices.DeleteFunc(slices.Clone(s.sealed.Secrets), func(k SubscriptionSecret) bool {
		return !k.Expires.IsZero() && !c.Now.Before(k.Expires)
	})
	return nil
}

// roomForSubscription refuses one more than there can be.
func (c *Checking) roomForSubscription(ctx context.Context) error {
	items, _, err := c.Live.Items(ctx, c.Environment, store.KindSubscription, "", "", MaxSubscriptions)
	if err != nil {
		return oauth.CannotTell("list subscriptions", err)
	}
	if len(items) < MaxSubscriptions {
		return nil
	}
	return Invalid(Problem{
		Code: ConstraintViolation, Message: fmt.Sprintf("an environment has at most %d subscriptions", MaxSubscriptions),
		Inner: map[string]any{"maximumValue": MaxSubscriptions},
	})
}

func (f *SubscriptionFilter) check(j *judge) {
	if f == nil {
		j.add(RequiredValue, "filterOptions", "must be there")
		return
	}
	const actions = "filterOptions.includedActionTypes"
	switch n := len(f.IncludedActionTypes); {
	case n == 0:
		j.add(RequiredValue, actions, "must name at least one action")
	case n > maxSubscriptionActions:
		j.inner(map[string]any{"maximumValue": maxSubscriptionActions}, SizeLimitExceeded, actions, "must not name more than %d actions", maxSubscriptionActions)
	case !slices.ContainsFunc(f.IncludedActionTypes, func(a string) bool { return !actionPattern.MatchString(a) }):
	default:
		j.inner(map[string]any{"allowedPattern": actionPattern.String()}, InvalidValue, actions,
			"must be actions like APPLICATION.UPDATED, or APPLICATION.* for all of a kind")
	}
	j.references("filterOptions.includedApplications", f.IncludedApplications)
	j.references("filterOptions.includedPopulations", f.IncludedPopulations)
	if len(f.IncludedTags) > 0 {
		j.add(InvalidValue, "filterOptions.includedTags", "must be empty: events have no tags")
	}
	if f.IPAddressExposed != nil && *f.IPAddressExposed {
		j.add(InvalidValue, "filterOptions.ipAddressExposed", "must not be true: events do not say it")
	}
	if f.UserAgentExposed != nil && *f.UserAgentExposed {
		j.add(InvalidValue, "filterOptions.userAgentExposed", "must not be true: events do not say it")
	}
}

// references wants a few IDs. Whether there is such an object does not matter: one that is not there, or
// is gone, is nobody's whom the subscription would hear of.
func (j *judge) references(target string, list []Reference) {
	if len(list) > maxSubscriptionFilters {
		j.inner(map[string]any{"maximumValue": maxSubscriptionFilters}, SizeLimitExceeded, target, "must not have more than %d members", maxSubscriptionFilters)
	}
	if slices.ContainsFunc(list, func(r Reference) bool { return r.ID == "" }) {
		j.add(RequiredValue, target+".id", "must not be empty")
	}
}

// checkEndpoint judges address and headers, and moves the values of headers into the sealed part. Whether
// the address may be contacted is seen when that is tried: names resolve to other addresses tomorrow.
func (s *Subscription) checkEndpoint(j *judge, old *Subscription) {
	const target = "httpEndpoint.headers"
	if s.HTTPEndpoint == nil {
		j.add(RequiredValue, "httpEndpoint", "must be there")
		return
	}
	switch address := s.HTTPEndpoint.URL; {
	case address == "":
		j.add(RequiredValue, "httpEndpoint.url", "must not be empty")
	case len(address) > maxAddress:
		j.inner(map[string]any{"maximumValue": maxAddress}, SizeLimitExceeded, "httpEndpoint.url", "must not be longer than %d bytes", maxAddress)
	default:
		// The text of the error may repeat the address, which may hold a secret.
		if _, err := (fetch.Options{InsecureLoopbackHTTP: true}).CheckURL(address); err != nil {
			j.add(InvalidValue, "httpEndpoint.url", "must be an absolute https URL without user information and fragment")
		}
	}
	if len(s.HTTPEndpoint.Headers) > maxSubscriptionHeaders {
		j.inner(map[string]any{"maximumValue": maxSubscriptionHeaders}, SizeLimitExceeded, target, "must not be more than %d", maxSubscriptionHeaders)
		return
	}
	before := len(j.problems)
	shown, values, seen := map[string]string{}, map[string]string{}, map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(s.HTTPEndpoint.Headers)) {
		value, folded := s.HTTPEndpoint.Headers[name], strings.ToLower(name)
		if value == redactedHeader {
			var ok bool
			if value, ok = s.sealed.Headers[name]; !ok && old != nil && sameOrigin(old.HTTPEndpoint, s.HTTPEndpoint) {
				value, ok = old.sealed.Headers[name]
			}
			if !ok {
				j.add(InvalidValue, target, "must have values: of a header that is redacted there is no former one, or the URL is of another host")
				continue
			}
		}
		switch {
		case !headerNamePattern.MatchString(name):
			j.add(InvalidValue, target, "must have names of a header's characters")
		case slices.Contains(ownHeaders, folded) || strings.HasPrefix(folded, "webhook-"):
			j.add(InvalidValue, target, "must not have %s, which is not to be set", name)
		case seen[folded]:
			j.add(InvalidValue, target, "must not have %s twice", name)
		case len(value) > maxHeaderValue || value != strings.TrimSpace(value) || strings.ContainsFunc(value, notInHeader):
			j.add(InvalidValue, target, "must have values of at most %d visible ASCII characters and spaces", maxHeaderValue)
		}
		seen[folded], shown[name], values[name] = true, redactedHeader, value
	}
	if len(j.problems) > before {
		return
	}
	s.sealed.Headers = nil
	if len(values) > 0 {
		s.HTTPEndpoint.Headers, s.sealed.Headers = shown, values
	}
}

// LoseHeaders takes those headers away whose values are nowhere: redacted, and of no value that old, which may be
// nil, has. It gives their names.
func (s *Subscription) LoseHeaders(old *Subscription) (lost []string) {
	if s.HTTPEndpoint == nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(s.HTTPEndpoint.Headers)) {
		_, known := s.sealed.Headers[name]
		if !known && old != nil && sameOrigin(old.HTTPEndpoint, s.HTTPEndpoint) {
			_, known = old.sealed.Headers[name]
		}
		if s.HTTPEndpoint.Headers[name] == redactedHeader && !known {
			delete(s.HTTPEndpoint.Headers, name)
			lost = append(lost, name)
		}
	}
	if lost != nil && len(s.HTTPEndpoint.Headers) == 0 {
		s.HTTPEndpoint.Headers = nil
	}
	return lost
}

// sameOrigin reports whether two endpoints are of one host. Values of headers do not follow to another one: who may
// change a subscription must not learn them in this way.
func sameOrigin(a, b *SubscriptionEndpoint) bool {
	if a == nil || b == nil {
		return false
	}
	u, err := url.Parse(a.URL)
	v, err2 := url.Parse(b.URL)
	return err == nil && err2 == nil && u.Scheme == v.Scheme && u.Host == v.Host
}

// notInHeader: what has no place in a field's value (RFC 9110 §5.5), and what is not ASCII.
func notInHeader(r rune) bool { return r < ' ' || r > '~' }

// SecretPart implements Sealing.
func (s *Subscription) SecretPart() ([]byte, error) { return json.Marshal(s.sealed) }

// SetSecretPart implements Sealing.
func (s *Subscription) SetSecretPart(b []byte) error {
	var part subscriptionSecrets
	if err := json.Unmarshal(b, &part); err != nil {
		return fmt.Errorf("the secrets of a subscription cannot be read: %w", err)
	}
	s.sealed = part
	return nil
}

// Action implements Stated.
func (s *Subscription) Action(old Document) string {
	if o, ok := old.(*Subscription); ok && len(o.sealed.Secrets) > 0 && len(s.sealed.Secrets) > 0 &&
		o.sealed.Secrets[0].Value != s.sealed.Secrets[0].Value {
		return "SUBSCRIPTION.SECRET_ROTATED"
	}
	return ""
}

// Secrets are those that sign at now: the current one first.
func (s *Subscription) Secrets(now time.Time) []SubscriptionSecret {
	return slices.DeleteFunc(slices.Clone(s.sealed.Secrets), func(k SubscriptionSecret) bool {
		return !k.Expires.IsZero() && !now.Before(k.Expires)
	})
}

// Rotated is s with another signing secret. The one before signs beside it until keep; nil: no more. An older
// one than that ends in any case.
func (s *Subscription) Rotated(now time.Time, keep *time.Time) (*Subscription, error) {
	next := []SubscriptionSecret{{Value: newSubscriptionSecret()}}
	if keep != nil {
		until, err := previousUntil(now, *keep)
		if err != nil {
			return nil, err
		}
		if len(s.sealed.Secrets) > 0 {
			next = append(next, SubscriptionSecret{Value: s.sealed.Secrets[0].Value, Expires: until})
		}
	}
	return s.with(next), nil
}

// with is s with other signing secrets.
func (s *Subscription) with(secrets []SubscriptionSecret) *Subscription {
	out := *s
	if s.HTTPEndpoint != nil {
		endpoint := *s.HTTPEndpoint
		endpoint.Headers = maps.Clone(endpoint.Headers)
		out.HTTPEndpoint = &endpoint
	}
	out.sealed.Secrets = secrets
	return &out
}

// previousUntil judges until when a replaced secret is to be good.
func previousUntil(now, keep time.Time) (time.Time, error) {
	until := keep.UTC().Truncate(time.Millisecond)
	least, most := now.UTC().Truncate(time.Millisecond).Add(MinPreviousSecret), now.UTC().Add(MaxPreviousSecret)
	if until.Before(least) || until.After(most) {
		return until, Invalid(Problem{
			Code: OutOfRange, Target: "previous.expiresAt", Message: "must be from 1 minute to 30 days ahead",
			Inner: map[string]any{"rangeMinimumValue": least.Format(time.RFC3339), "rangeMaximumValue": most.Format(time.RFC3339)},
		})
	}
	return until, nil
}

// WithoutPrevious is s after the secret before the current one was dropped.
func (s *Subscription) WithoutPrevious() *Subscription {
	return s.with(slices.Clone(s.sealed.Secrets[:min(1, len(s.sealed.Secrets))]))
}

// Header are the headers of a message, values included.
func (s *Subscription) Header() map[string]string { return maps.Clone(s.sealed.Headers) }

// IsEnabled reports whether messages are sent.
func (s *Subscription) IsEnabled() bool { return s.Enabled != nil && *s.Enabled }

// newSubscriptionSecret draws a signing secret of 256 bits.
func newSubscriptionSecret() string {
	// The text of a drawn secret is base64url without padding; the serialization wants base64.
	text := strings.NewReplacer("-", "+", "_", "/").Replace(secret.New().Reveal())
	return SubscriptionSecretPrefix + text + "="
}

// String is "[redacted]".
func (*Subscription) String() string { return redactedHeader }

// GoString is String.
func (*Subscription) GoString() string { return redactedHeader }

package keys_test

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/keys"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const day = 24 * time.Hour

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// cluster is some nodes on one store, with the policies that a directory would tell of.
type cluster struct {
	t        *testing.T
	store    store.Store
	clock    *testkit.Clock
	mu       sync.Mutex
	policies []keys.Policy
	gone     bool
	nodes    []*keys.Rings
	asked    atomic.Int32 // how often a ring was read
}

func newCluster(t *testing.T, nodes int) *cluster {
	t.Helper()
	c := &cluster{t: t, store: testkit.Store(t), clock: testkit.NewClock(noon)}
	for range nodes {
		c.nodes = append(c.nodes, c.node())
	}
	return c
}

func (c *cluster) node() *keys.Rings {
	var rings *keys.Rings
	rings = keys.New(keys.Config{
		Store: &counting{c.store, &c.asked}, Now: c.clock.Now, Log: slog.New(slog.DiscardHandler),
		Sealer:   func(bool) (*secret.Sealer, error) { return secret.NewSealer([]byte(master)) },
		Generate: generate,
		Policies: func(context.Context, *store.Environment) ([]keys.Policy, error) {
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.gone {
				return nil, store.ErrNotFound
			}
			return slices.Clone(c.policies), nil
		},
		Changed: func(_ context.Context, id string, _ int64) error {
			for _, n := range c.nodes {
				n.Stale(id)
			}
			rings.Stale(id)
			return nil
		},
	})
	return rings
}

// drawn keeps one RSA key of each size: they take a while, and under another name it is another key.
var drawn sync.Map

func generate(alg string, bits int) (*jose.SigningKey, error) {
	if alg != "RS256" {
		return jose.GenerateSigningKey(alg, bits)
	}
	once, _ := drawn.LoadOrStore(bits, sync.OnceValues(func() (*jose.SigningKey, error) { return jose.GenerateSigningKey(alg, bits) }))
	return once.(func() (*jose.SigningKey, error))()
}

type counting struct {
	store.Keys
	n *atomic.Int32
}

func (c *counting) KeyRing(ctx context.Context, env string) ([]store.Key, int64, error) {
	c.n.Add(1)
	return c.Keys.KeyRing(ctx, env)
}

// have replaces the policies, as an administrator at the node with this index does.
func (c *cluster) have(node int, policies ...keys.Policy) {
	c.t.Helper()
	c.mu.Lock()
	c.policies = policies
	c.mu.Unlock()
	if _, err := c.nodes[node].Reload(c.t.Context(), env); err != nil {
		c.t.Fatalf("reload: %v", err)
	}
}

func (c *cluster) signer(node int, policy string) *jose.SigningKey {
	c.t.Helper()
	k, err := c.nodes[node].SignerFor(c.t.Context(), env, policy)
	if err != nil {
		c.t.Fatalf("signer of %q: %v", policy, err)
	}
	return k
}

// published are the kids that a node publishes.
func (c *cluster) published(node int) []string {
	c.t.Helper()
	var kids []string
	for _, k := range c.jwks(node) {
		kids = append(kids, k.KID)
	}
	return kids
}

type published struct {
	KID, Alg, KTY, N string
	X5C              [][]byte
}

func (c *cluster) jwks(node int) []published {
	c.t.Helper()
	ring, err := c.nodes[node].Ring(c.t.Context(), env)
	if err != nil {
		c.t.Fatalf("ring: %v", err)
	}
	var set struct {
		Keys []struct {
			KID, Alg, KTY, N string
			X5C              []string
		}
	}
	if err := json.Unmarshal(ring.JWKS, &set); err != nil {
		c.t.Fatal(err)
	}
	var all []published
	for _, k := range set.Keys {
		p := published{KID: k.KID, Alg: k.Alg, KTY: k.KTY, N: k.N}
		for _, text := range k.X5C {
			der, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				c.t.Fatal(err)
			}
			p.X5C = append(p.X5C, der)
		}
		all = append(all, p)
	}
	if ring.Set.Len() != len(all) {
		c.t.Errorf("%d keys verify and %d are published", ring.Set.Len(), len(all))
	}
	return all
}

// verifies reports whether a node knows the key that signed a token.
func (c *cluster) verifies(node int, raw string) bool {
	c.t.Helper()
	jws, err := jose.Parse(raw, jose.Limits{})
	if err != nil {
		c.t.Fatal(err)
	}
	ring, err := c.nodes[node].RingFor(c.t.Context(), env, jws.Header.KeyID)
	if err != nil {
		c.t.Fatalf("ring: %v", err)
	}
	return jws.Verify(ring.Set.Find(&jws.Header)) == nil
}

func sign(t *testing.T, k *jose.SigningKey) string {
	t.Helper()
	raw, err := k.Sign("JWT", []byte(`{"a":1}`))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func policy(id string) keys.Policy {
	return keys.Policy{ID: id, KeyLength: 2048, DN: "CN=Shop, O=Example, C=GB", Period: 30 * day, Validity: 365 * day}
}

func TestPolicyHasKeysAtOnce(t *testing.T) {
	c := newCluster(t, 2)
	own := c.signer(0, "")
	c.signer(1, "") // the other node has read the ring
	c.have(0, policy("p"))

	current, next, at, err := c.nodes[0].Rotation(t.Context(), env, "p")
	if err != nil || current == "" || next == "" || current == next || !at.Equal(noon) {
		t.Fatalf("rotation = %q, %q, %v, %v, want two keys since now", current, next, at, err)
	}
	key := c.signer(0, "p")
	if key.ID() != current || key.Algorithm() != "RS256" || !secret.IsID(current) {
		t.Errorf("signer = %s (%s), want the CURRENT key %s, RS256", key.ID(), key.Algorithm(), current)
	}
	if after := c.signer(0, ""); after.ID() != own.ID() {
		t.Errorf("the environment's own key is %s now, want %s", after.ID(), own.ID())
	}
	raw := sign(t, key)
	for node := range c.nodes {
		if got := c.published(node); len(got) != 4 || !slices.Contains(got, current) || !slices.Contains(got, next) {
			t.Errorf("node %d publishes %q, want those of both rotations", node, got)
		}
		if !c.verifies(node, raw) {
			t.Errorf("node %d does not know the key", node)
		}
		if got := c.signer(node, "p"); got.ID() != current {
			t.Errorf("node %d signs with %s, want %s", node, got.ID(), current)
		}
	}
	i := slices.IndexFunc(c.jwks(0), func(k published) bool { return k.KID == current })
	cert, err := x509.ParseCertificate(c.jwks(0)[i].X5C[0])
	if err != nil {
		t.Fatal(err)
	}
	if got := cert.Subject.String(); got != "CN=Shop,O=Example,C=GB" || cert.Issuer.String() != got {
		t.Errorf("subject, issuer = %q, %q", got, cert.Issuer)
	}
	if !cert.NotBefore.Equal(noon) || !cert.NotAfter.Equal(noon.Add(365*day)) {
		t.Errorf("the certificate is good from %v to %v, want 365 days from now", cert.NotBefore, cert.NotAfter)
	}
}

// TestNoPolicyNoKey: where a policy has no key, no other key steps in.
func TestNoPolicyNoKey(t *testing.T) {
	c := newCluster(t, 1)
	for _, id := range []string{"p", "CURRENT", " "} {
		if k, err := c.nodes[0].SignerFor(t.Context(), env, id); err == nil {
			t.Errorf("policy %q signs with %s, want an error", id, k)
		}
		if _, _, _, err := c.nodes[0].Rotation(t.Context(), env, id); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("rotation of %q: %v, want ErrNotFound", id, err)
		}
	}
	if len(c.published(0)) != 2 {
		t.Error("asking made keys")
	}
}

func TestPolicyRotatesByItself(t *testing.T) {
	c := newCluster(t, 1)
	c.have(0, policy("p"), keys.Policy{ID: "q", DN: "CN=Q", Period: 60 * day, Validity: 61 * day})
	own, p, q := c.signer(0, ""), c.signer(0, "p"), c.signer(0, "q")
	_, next, _, _ := c.nodes[0].Rotation(t.Context(), env, "p")
	old := sign(t, p)

	c.clock.Advance(30*day - time.Second)
	if got := c.signer(0, "p"); got.ID() != p.ID() {
		t.Errorf("a second before its time %s signs, want %s", got.ID(), p.ID())
	}
	c.clock.Advance(time.Second)
	if err := c.nodes[0].Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := c.signer(0, "p"); got.ID() != next {
		t.Errorf("after its period %s signs, want what was NEXT, %s", got.ID(), next)
	}
	current, young, at, _ := c.nodes[0].Rotation(t.Context(), env, "p")
	if current != next || young == next || young == p.ID() || !at.Equal(noon.Add(30*day)) {
		t.Errorf("rotation = %s, %s, %v", current, young, at)
	}
	if c.signer(0, "").ID() != own.ID() || c.signer(0, "q").ID() != q.ID() {
		t.Error("another rotation was rotated with it")
	}
	c.clock.Advance(store.MaxAccessTokenTTL)
	if err := c.nodes[0].Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !c.verifies(0, old) {
		t.Error("what the key signed in its last second does not verify for a token's longest life")
	}
	c.clock.Advance(11 * time.Minute)
	if err := c.nodes[0].Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if slices.Contains(c.published(0), p.ID()) {
		t.Error("the key is published after everything that it signed has expired")
	}
}

func TestPolicyIsDeleted(t *testing.T) {
	c := newCluster(t, 2)
	c.have(0, policy("p"))
	_, next, _, _ := c.nodes[0].Rotation(t.Context(), env, "p")
	key := c.signer(1, "p")
	old := sign(t, key)

	c.have(0)
	for node, n := range c.nodes {
		if err := n.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if k, err := n.SignerFor(t.Context(), env, "p"); err == nil {
			t.Errorf("node %d signs with %s", node, k)
		}
		if !c.verifies(node, old) {
			t.Errorf("node %d does not verify what the policy's key had signed", node)
		}
		if slices.Contains(c.published(node), next) {
			t.Errorf("node %d publishes a key that will never sign", node)
		}
	}
	c.clock.Advance(store.MaxAccessTokenTTL + 10*time.Minute)
	if err := c.nodes[0].Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := c.published(0); slices.Contains(got, key.ID()) || len(got) != 2 {
		t.Errorf("published = %q, want the environment's own two", got)
	}
}

func TestPolicyIsChanged(t *testing.T) {
	tests := []struct {
		name    string
		change  func(*keys.Policy)
		another bool // NEXT key
	}{
		{"nothing", func(*keys.Policy) {}, false},
		{"period", func(p *keys.Policy) { p.Period = 40 * day }, false},
		{"validity", func(p *keys.Policy) { p.Validity = 400 * day }, false},
		{"length", func(p *keys.Policy) { p.KeyLength = 3072 }, true},
		{"subject", func(p *keys.Policy) { p.DN = "CN=Other" }, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCluster(t, 1)
			p := policy("p")
			c.have(0, p)
			current, next, _, _ := c.nodes[0].Rotation(t.Context(), env, "p")
			tt.change(&p)
			c.have(0, p)
			now, after, _, _ := c.nodes[0].Rotation(t.Context(), env, "p")
			if now != current {
				t.Errorf("CURRENT = %s, want %s: it has been published for long", now, current)
			}
			if got := after != next; got != tt.another {
				t.Errorf("another NEXT = %v, want %v", got, tt.another)
			}
			all := c.jwks(0)
			i := slices.IndexFunc(all, func(k published) bool { return k.KID == after })
			if bits := len(all[i].N) * 6; bits < p.KeyLength || bits > p.KeyLength+12 {
				t.Errorf("NEXT has about %d bits, want %d", bits, p.KeyLength)
			}
		})
	}
}

// TestNodesMakeOneKeyForAPolicy: whoever is first; the others do as it did.
func TestNodesMakeOneKeyForAPolicy(t *testing.T) {
	c := newCluster(t, 4)
	c.signer(0, "")
	c.mu.Lock()
	c.policies = []keys.Policy{policy("p"), {ID: "q", DN: "CN=Q", Period: 30 * day, Validity: 90 * day}}
	c.mu.Unlock()
	var wg sync.WaitGroup
	for _, n := range c.nodes {
		wg.Go(func() {
			if _, err := n.Reload(t.Context(), env); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, id := range []string{"p", "q"} {
		want := c.signer(0, id).ID()
		for node := range c.nodes {
			if got := c.signer(node, id).ID(); got != want {
				t.Errorf("node %d signs with %s, node 0 with %s", node, got, want)
			}
		}
	}
	if got := c.published(0); len(got) != 6 {
		t.Errorf("published = %q, want two keys for each of three rotations", got)
	}
}

// TestUnknownKidIsLookedForOnceInAWhile: a token of a stranger does not have the store read each time.
func TestUnknownKidIsLookedForOnceInAWhile(t *testing.T) {
	c := newCluster(t, 1)
	c.signer(0, "")
	look := func(kid string) {
		t.Helper()
		if _, err := c.nodes[0].RingFor(t.Context(), env, kid); err != nil {
			t.Fatal(err)
		}
	}
	before := c.asked.Load()
	for range 100 {
		look("stranger")
	}
	look("")
	if got := c.asked.Load() - before; got != 1 {
		t.Errorf("the ring was read %d times, want once", got)
	}
	c.clock.Advance(time.Second)
	look("stranger")
	if got := c.asked.Load() - before; got != 2 {
		t.Errorf("a second later the ring was read %d times in all, want twice", got)
	}
}

// TestRingOfAnEnvironmentThatIsGone is forgotten, and not made again.
func TestRingOfAnEnvironmentThatIsGone(t *testing.T) {
	c := newCluster(t, 1)
	c.signer(0, "")
	c.mu.Lock()
	c.gone = true
	c.mu.Unlock()
	if err := c.nodes[0].Refresh(t.Context()); err != nil {
		t.Errorf("refresh: %v", err)
	}
	before := c.asked.Load()
	if err := c.nodes[0].Refresh(t.Context()); err != nil || c.asked.Load() != before {
		t.Errorf("refreshed again: %v, %d reads", err, c.asked.Load()-before)
	}
	if err := c.store.ReplaceKeyRing(t.Context(), env.ID, 1, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := c.nodes[0].Ring(t.Context(), env); err == nil {
		t.Error("keys were made for an environment that is gone")
	}
}

// TestStaleRingIsReadAgain before it verifies or publishes anything.
func TestStaleRingIsReadAgain(t *testing.T) {
	c := newCluster(t, 2)
	c.signer(0, "")
	c.signer(1, "")
	before := c.asked.Load()
	c.nodes[1].Stale(env.ID)
	c.nodes[1].Stale("nobody's")
	for range 3 {
		c.published(1)
	}
	if got := c.asked.Load() - before; got != 1 {
		t.Errorf("the ring was read %d times, want once", got)
	}
}

package keys_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/keys"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

func draft(name string) keys.Draft {
	return keys.Draft{
		Name: name, Algorithm: "EC", Length: 256, SignatureAlgorithm: "SHA256withECDSA", SubjectDN: "CN=" + name,
		Usage: keys.UsageSigning, ValidityDays: 365,
	}
}

// silent is nobody's audit log.
func silent(*keys.Info, *keys.Info) error { return nil }

func (c *cluster) create(node int, d keys.Draft) *keys.Info {
	c.t.Helper()
	i, _, err := c.nodes[node].Create(c.t.Context(), env, d, silent)
	if err != nil {
		c.t.Fatalf("create: %v", err)
	}
	return i
}

// TestNodesChangeOneRing: no change is lost, whoever makes it where.
func TestNodesChangeOneRing(t *testing.T) {
	c := newCluster(t, 3)
	c.signer(0, "")
	var wg sync.WaitGroup
	var mu sync.Mutex
	var made []string
	for i := range 9 {
		wg.Go(func() {
			// A node gives up after a few lost races, and says so: then nothing has happened.
			for {
				info, _, err := c.nodes[i%3].Create(t.Context(), env, draft(fmt.Sprint("key ", i)), silent)
				if errors.Is(err, store.ErrConflict) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				made = append(made, info.ID)
				mu.Unlock()
				return
			}
		})
	}
	wg.Wait()
	for node := range c.nodes {
		got := c.published(node)
		for _, id := range made {
			if !slices.Contains(got, id) {
				t.Errorf("node %d does not publish %s", node, id)
			}
		}
		if len(got) != 11 {
			t.Errorf("node %d publishes %d keys, want 9 and the environment's two", node, len(got))
		}
	}
}

// TestDefaultsRace: of those who make a key the default at once one is last, and every node agrees who.
func TestDefaultsRace(t *testing.T) {
	c := newCluster(t, 2)
	ids := []string{c.create(0, draft("a")).ID, c.create(1, draft("b")).ID}
	var wg sync.WaitGroup
	for i, id := range ids {
		wg.Go(func() {
			if _, _, err := c.nodes[i].Update(t.Context(), env, id, keys.Change{Default: true, Usage: keys.UsageSigning}, silent); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if a, b := c.signer(0, "").ID(), c.signer(1, "").ID(); a != b || !slices.Contains(ids, a) {
		t.Errorf("the nodes sign with %s and %s, want one of %q", a, b, ids)
	}
	all, _, err := c.nodes[0].List(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	slots := map[store.KeySlot]int{}
	for _, i := range all {
		slots[i.Slot]++
	}
	if slots[store.SlotCurrent] != 1 || slots[store.SlotNext] != 1 || slots[store.SlotPrevious] != 2 {
		t.Errorf("slots = %v, want one CURRENT, one NEXT, and the two that have signed", slots)
	}
}

// TestChangeThatIsNotRecordedIsNotMade: first the audit log, then the ring.
func TestChangeThatIsNotRecordedIsNotMade(t *testing.T) {
	c := newCluster(t, 1)
	known := c.create(0, draft("known"))
	full := errors.New("the audit log is full")
	failing := func(*keys.Info, *keys.Info) error { return full }
	before := c.published(0)
	for name, change := range map[string]func() error{
		"create": func() error {
			_, _, err := c.nodes[0].Create(t.Context(), env, draft("x"), failing)
			return err
		},
		"update": func() error {
			_, _, err := c.nodes[0].Update(t.Context(), env, known.ID, keys.Change{Default: true, Usage: keys.UsageSigning}, failing)
			return err
		},
		"delete": func() error { return c.nodes[0].Delete(t.Context(), env, known.ID, 0, nil, failing) },
	} {
		t.Run(name, func(t *testing.T) {
			if err := change(); !errors.Is(err, full) {
				t.Errorf("error = %v, want that of the audit log", err)
			}
			if got := c.published(0); !slices.Equal(got, before) {
				t.Errorf("published = %q, want %q", got, before)
			}
			if c.signer(0, "").ID() == known.ID {
				t.Error("the key signs")
			}
		})
	}
}

// TestRecorderSeesBeforeAndAfter of the key that is changed.
func TestRecorderSeesBeforeAndAfter(t *testing.T) {
	c := newCluster(t, 1)
	var said []string
	record := func(before, after *keys.Info) error {
		say := func(i *keys.Info) string {
			if i == nil {
				return "-"
			}
			return fmt.Sprint(i.Usage, " ", i.Slot)
		}
		said = append(said, say(before)+" > "+say(after))
		return nil
	}
	i, _, err := c.nodes[0].Create(t.Context(), env, draft("x"), record)
	if err != nil {
		t.Fatal(err)
	}
	for _, ch := range []keys.Change{
		{Usage: keys.UsageTLS}, {Usage: keys.UsageSigning}, {Usage: keys.UsageSigning, Default: true}, {Usage: keys.UsageSigning},
	} {
		if _, _, err := c.nodes[0].Update(t.Context(), env, i.ID, ch, record); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.nodes[0].Delete(t.Context(), env, i.ID, 0, nil, record); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"- > SIGNING PUBLISHED", "SIGNING PUBLISHED > SSL/TLS STORED", "SSL/TLS STORED > SIGNING PUBLISHED",
		"SIGNING PUBLISHED > SIGNING CURRENT", "SIGNING CURRENT > SIGNING PREVIOUS", "SIGNING PREVIOUS > -",
	}
	if !slices.Equal(said, want) {
		t.Errorf("said %q, want %q", said, want)
	}
}

// TestAlgorithmOfAnRSAKey: the padding is the environment's, the hash the key's.
func TestAlgorithmOfAnRSAKey(t *testing.T) {
	tests := []struct {
		environment, signature, want string
		ok                           bool // to be the default
	}{
		{"RS256", "SHA256withRSA", "RS256", true},
		{"PS256", "SHA256withRSA", "PS256", true},
		{"RS256", "SHA384withRSA", "RS384", false},
		{"PS256", "SHA512withRSA", "RS512", false},
		{"ES256", "SHA256withRSA", "RS256", false},
	}
	for _, tt := range tests {
		t.Run(tt.environment+" "+tt.signature, func(t *testing.T) {
			c := newCluster(t, 1)
			here := *env
			here.SigningAlgorithm = tt.environment
			d := draft("x")
			d.Algorithm, d.Length, d.SignatureAlgorithm = "RSA", 2048, tt.signature
			i, _, err := c.nodes[0].Create(t.Context(), &here, d, silent)
			if err != nil {
				t.Fatal(err)
			}
			if i.Signs != tt.want {
				t.Errorf("signs %s, want %s", i.Signs, tt.want)
			}
			_, _, err = c.nodes[0].Update(t.Context(), &here, i.ID, keys.Change{Default: true, Usage: keys.UsageSigning}, silent)
			if (err == nil) != tt.ok || err != nil && oauth.From(err).Status != 400 {
				t.Errorf("default: %v, want an error: %v", err, !tt.ok)
			}
			if err == nil {
				k, err := c.nodes[0].Signer(t.Context(), &here)
				if err != nil || k.ID() != i.ID || k.Algorithm() != tt.want {
					t.Errorf("signer = %v, %v", k, err)
				}
			}
		})
	}
}

// TestByHandSurvivesARestart: another node opens what this one has sealed, and reads certificates as they are.
func TestByHandSurvivesARestart(t *testing.T) {
	c := newCluster(t, 1)
	d := draft("x")
	d.Default = true
	i := c.create(0, d)
	stored := draft("y")
	stored.Usage, stored.Length = keys.UsageEncryption, 224
	other := c.create(0, stored)
	c.nodes = append(c.nodes, c.node())
	if got := c.signer(1, ""); got.ID() != i.ID || got.Algorithm() != jose.ES256 {
		t.Errorf("signer = %v, want %s", got, i.ID)
	}
	got, _, err := c.nodes[1].Find(t.Context(), env, other.ID)
	if err != nil || got.SubjectDN != "CN=y" || got.Length != 224 || got.Slot != store.SlotStored || got.Signs != "" {
		t.Errorf("found %+v, %v", got, err)
	}
	if slices.Contains(c.published(1), other.ID) {
		t.Error("a key of another use is published")
	}
	if _, err := c.nodes[1].CertificateRequest(t.Context(), env, other.ID); err != nil {
		t.Errorf("certificate request: %v", err)
	}
}

// TestLongWorkIsGivenUp by whoever waits for it, and goes on without them.
func TestLongWorkIsGivenUp(t *testing.T) {
	c := newCluster(t, 1)
	c.signer(0, "")
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	d := draft("x")
	d.Algorithm, d.Length, d.SignatureAlgorithm = "RSA", 3072, "SHA256withRSA"
	if _, _, err := c.nodes[0].Create(ctx, env, d, silent); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error = %v, want that nobody waits any more", err)
	}
	if got := c.published(0); len(got) != 2 {
		t.Errorf("published = %q: a key was stored that nobody waited for", got)
	}
	c.create(0, draft("y"))
}

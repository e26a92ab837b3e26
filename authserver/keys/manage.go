package keys

import (
	"context"
	"crypto"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Recorder is told of a change before it is made, for an audit log: what the key was and what it is to be; nil where there
// is none. It may be called again where another node was quicker. An error of it stops the change.
type Recorder func(before, after *Info) error

// List describes the keys of env, as they are stored now, and says at which version. Those of rotations are
// among them.
func (r *Rings) List(ctx context.Context, env *store.Environment) (all []Info, version int64, err error) {
	if _, err := r.Ring(ctx, env); err != nil { // makes the first ones
		return nil, 0, err
	}
	records, version, err := r.c.Store.KeyRing(ctx, env.ID)
	if err != nil {
		return nil, 0, fmt.Errorf("read key ring: %w", err)
	}
	sealer, err := r.open(false)
	if err != nil {
		return nil, 0, fmt.Errorf("secrets key: %w", err)
	}
	for i := range records {
		one, err := r.describe(env, sealer, &records[i])
		if err != nil {
			return nil, 0, err
		}
		all = append(all, *one)
	}
	return all, version, nil
}

// Find describes one key, or store.ErrNotFound.
func (r *Rings) Find(ctx context.Context, env *store.Environment, id string) (*Info, int64, error) {
	all, version, err := r.List(ctx, env)
	if err != nil {
		return nil, 0, err
	}
	at := slices.IndexFunc(all, func(i Info) bool { return i.ID == id })
	if at < 0 {
		return nil, 0, store.ErrNotFound
	}
	return &all[at], version, nil
}

// describe makes the Info of a record. A key that has no certificate stored is opened for it, unless it is
// open already.
func (r *Rings) describe(env *store.Environment, sealer *secret.Sealer, rec *store.Key) (*Info, error) {
	d, err := describe(rec)
	if err != nil {
		return nil, err
	}
	if len(d.Chain) > 0 {
		return info(rec, d.Chain)
	}
	if ring := r.slot(env).ring.Load(); ring != nil {
		if k := ring.keys[rec.ID]; k.key != nil {
			return info(rec, k.chain)
		}
	}
	key, err := open(sealer, env.ID, rec)
	if err != nil {
		return nil, err
	}
	chain, err := chainOf(key, rec)
	if err != nil {
		return nil, err
	}
	return info(rec, chain)
}

// Rotation says which keys a policy has: "" is the environment's own rotation. at is when current became so. A policy
// that has no keys is store.ErrNotFound.
func (r *Rings) Rotation(ctx context.Context, env *store.Environment, policy string) (current, next string, at time.Time, err error) {
	ring, err := r.Ring(ctx, env)
	if err != nil {
		return "", "", at, err
	}
	if _, ok := ring.rotations[policy]; !ok {
		if ring, err = r.load(ctx, r.slot(env)); err != nil { // another node may have made it
			return "", "", at, err
		}
	}
	row, ok := ring.rotations[policy]
	if !ok {
		return "", "", at, store.ErrNotFound
	}
	return row.current, row.next, row.since, nil
}

// Create draws a key and stores it. One for signing is published from then on; with Default it signs at once. What is wrong
// with d is 400 INVALID_DATA.
func (r *Rings) Create(ctx context.Context, env *store.Environment, d Draft, record Recorder) (*Info, int64, error) {
	if err := d.check(); err != nil {
		return nil, 0, err
	}
	var private crypto.Signer
	err := r.alone(ctx, env, func() (err error) {
		private, err = d.generate()
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("draw %s key: %w", d.Algorithm, err)
	}
	now := r.c.Now().UTC().Truncate(time.Second)
	certificate, err := d.certificate(private, now)
	if err != nil {
		return nil, 0, err
	}
	return r.add(ctx, env, private, description{
		Name: d.Name, Usage: d.Usage, Chain: [][]byte{certificate}, Subject: d.SubjectDN, Issuer: d.IssuerDN,
		SignatureAlgorithm: d.SignatureAlgorithm, CustomCRL: d.CustomCRL,
	}, d.Default, record)
}

// Import stores a key that somebody brings. Its name is the subject of its certificate.
func (r *Rings) Import(ctx context.Context, env *store.Environment, i Imported, record Recorder) (*Info, int64, error) {
	var private crypto.Signer
	var chain []*x509.Certificate
	err := r.alone(ctx, env, func() (err error) {
		private, chain, err = i.read(r.c.Now())
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	d := description{
		Name: chain[0].Subject.CommonName, Imported: true, Usage: i.Usage, Chain: inOrder(chain), SignatureAlgorithm: signatureAlgorithm(chain[0]),
	}
	if d.Name == "" {
		d.Name = chain[0].Subject.String()
	}
	if d.Name == "" {
		return nil, 0, refuse(invalidValue, "file", "must hold a certificate with a subject")
	}
	if i.Usage == UsageSigning && tokenAlgorithm(env, private.Public(), d.SignatureAlgorithm) == "" {
		return nil, 0, refuse(invalidValue, "usageType", "must not be %s for a key on that curve: no token is signed on it (RFC 7518 §3.4)", UsageSigning)
	}
	return r.add(ctx, env, private, d, false, record)
}

// add stores a key that somebody made.
func (r *Rings) add(ctx context.Context, env *store.Environment, private crypto.Signer, d description, signs bool, record Recorder) (*Info, int64, error) {
	text, err := encodePrivate(private)
	if err != nil {
		return nil, 0, err
	}
	defer clear(text)
	id := r.c.NewID()
	return r.change(ctx, env, id, record, func(e *editing) error {
		made := 0
		for i := range e.ring {
			if d, err := describe(&e.ring[i]); err != nil || d.byHand() {
				made++
			}
		}
		if made >= MaxKeys {
			return refuse(constraintViolation, "", "an environment has at most %d keys that are not of a rotation", MaxKeys)
		}
		k := store.Key{Environment: env.ID, ID: id, Slot: store.SlotStored, CreatedAt: e.now, Data: d.encode()}
		if d.Usage == UsageSigning {
			k.Slot, k.Algorithm = store.SlotPublished, tokenAlgorithm(env, private.Public(), d.SignatureAlgorithm)
		}
		var err error
		if k.Sealed, err = e.sealer.Seal(text, additional(env.ID, id)); err != nil {
			return fmt.Errorf("seal key %s: %w", id, err)
		}
		e.ring = append(e.ring, k)
		if signs {
			return e.makeDefault(id)
		}
		return nil
	})
}

// Change is what may be changed of a key.
type Change struct {
	Default bool
	Usage   Usage
	// IssuerDN is shown, see Draft; "" is that of the certificate.
	IssuerDN string
	// Version that the ring must be at; 0 for any: then the last write counts.
	Version int64
}

// Update changes a key. Default makes it the one that signs for the environment at once, and the one so far
// PREVIOUS: the key must be made by hand, good now, and of the environment's algorithm; or it is the NEXT key of the environment's
// own rotation, which so is rotated. Without Default, a key made by hand gives way to that NEXT key. Of the keys of rotations
// nothing else can be changed.
func (r *Rings) Update(ctx context.Context, env *store.Environment, id string, c Change, record Recorder) (*Info, int64, error) {
	var p problems
	oneOf(&p, "usageType", c.Usage, usages)
	p.name("issuerDN", c.IssuerDN)
	if err := p.verdict(); err != nil {
		return nil, 0, err
	}
	return r.change(ctx, env, id, record, func(e *editing) error {
		if err := e.at(c.Version); err != nil {
			return err
		}
		k := e.find(id)
		if k == nil {
			return store.ErrNotFound
		}
		d, err := describe(k)
		if err != nil {
			return err
		}
		if !d.byHand() {
			return e.updateRotating(k, c)
		}
		return e.updateByHand(k, d, c)
	})
}

// Delete deletes a key. Nothing may be using it: it neither signs nor is about to, and inUse, which may be nil, finds
// nobody. One that has signed is withdrawn: what it signed is not good any more, on any node.
func (r *Rings) Delete(ctx context.Context, env *store.Environment, id string, version int64, inUse func(*Info) (bool, error), record Recorder) error {
	_, _, err := r.change(ctx, env, id, record, func(e *editing) error {
		if err := e.at(version); err != nil {
			return err
		}
		k := e.find(id)
		if k == nil {
			return store.ErrNotFound
		}
		used := k.Slot == store.SlotCurrent || k.Slot == store.SlotNext
		if !used && inUse != nil {
			i, err := r.describe(env, e.sealer, k)
			if err == nil {
				used, err = inUse(i)
			}
			if err != nil {
				return err
			}
		}
		if used {
			return refuse(constraintViolation, "", "The Key must not be in use")
		}
		e.ring = slices.DeleteFunc(e.ring, func(k store.Key) bool { return k.ID == id })
		return nil
	})
	return err
}

// change edits the ring and says what has become of one key.
func (r *Rings) change(ctx context.Context, env *store.Environment, id string, record Recorder, do func(*editing) error) (*Info, int64, error) {
	s := r.slot(env)
	s.edits.Lock()
	defer s.edits.Unlock()
	var after *Info
	ring, err := r.apply(ctx, s, func(e *editing) error {
		before, err := r.describeIn(env, e, id)
		if err != nil {
			return err
		}
		if err := do(e); err != nil {
			return err
		}
		if after, err = r.describeIn(env, e, id); err != nil {
			return err
		}
		return record(before, after)
	})
	if err != nil {
		return nil, 0, err
	}
	return after, ring.version, nil
}

func (r *Rings) describeIn(env *store.Environment, e *editing, id string) (*Info, error) {
	k := e.find(id)
	if k == nil {
		return nil, nil
	}
	return r.describe(env, e.sealer, k)
}

// editing is a ring that is being changed.
type editing struct {
	ring    []store.Key
	version int64 // of the ring as it is stored
	now     time.Time
	sealer  *secret.Sealer
	all     []rotation // of the environment, its own first
	own     *rotation  // that one
	env     *store.Environment
	draw    draw
}

func (e *editing) find(id string) *store.Key {
	if i := slices.IndexFunc(e.ring, func(k store.Key) bool { return k.ID == id }); i >= 0 {
		return &e.ring[i]
	}
	return nil
}

// inSlot finds the CURRENT or NEXT key of the environment's own rotation.
func (e *editing) inSlot(s store.KeySlot) *store.Key {
	return &e.ring[slices.IndexFunc(e.ring, func(k store.Key) bool { return k.Policy == "" && k.Slot == s })]
}

// at refuses a ring at another version than the one that a change demands; 0 is any.
func (e *editing) at(version int64) error {
	if version != 0 && version != e.version {
		return errPrecondition
	}
	return nil
}

var errPrecondition = &oauth.Error{
	Code: oauth.CodeInvalidRequest, Status: 412, PingOne: oauth.PingOneInvalidRequest, Description: "The key has been changed since",
}

// updateRotating changes a key that a rotation has drawn: it can be made the one that signs.
func (e *editing) updateRotating(k *store.Key, c Change) error {
	var p problems
	if c.Usage != UsageSigning {
		p.add(constraintViolation, "usageType", "must be %s: the key is one of a rotation", UsageSigning)
	}
	signs := k.Policy == "" && k.Slot == store.SlotCurrent
	switch {
	case c.Default == signs:
	case c.Default && k.Policy == "" && k.Slot == store.SlotNext:
		if len(p) > 0 {
			break
		}
		return e.rotate()
	case c.Default:
		p.add(constraintViolation, "default", "must not be true: the key is one that a rotation has had its turn with, or one of a policy's")
	default:
		p.add(constraintViolation, "default", "must not be false: some key must sign; make another one the default")
	}
	return p.verdict()
}

// updateByHand changes a key that somebody made.
func (e *editing) updateByHand(k *store.Key, d description, c Change) error {
	signs := k.Slot == store.SlotCurrent
	if c.Usage != d.Usage {
		if signs || k.Slot == store.SlotPrevious {
			return refuse(constraintViolation, "usageType", "must be %s: The Key must not be in use to change what it is for", d.Usage)
		}
		if err := e.use(k, &d, c.Usage); err != nil {
			return err
		}
	}
	d.Issuer, d.Changed = c.IssuerDN, &e.now
	k.Data = d.encode()
	switch {
	case c.Default && !signs:
		return e.makeDefault(k.ID)
	case !c.Default && signs:
		return e.rotate()
	}
	return nil
}

// use gives a key another use.
func (e *editing) use(k *store.Key, d *description, usage Usage) error {
	d.Usage = usage
	if usage != UsageSigning {
		k.Slot, k.Algorithm = store.SlotStored, ""
		return nil
	}
	cert, err := d.certificate()
	if err != nil {
		return err
	}
	k.Slot, k.Algorithm = store.SlotPublished, tokenAlgorithm(e.env, cert.PublicKey, d.SignatureAlgorithm)
	if k.Algorithm == "" {
		return refuse(invalidValue, "usageType", "must not be %s for a key on that curve: no token is signed on it (RFC 7518 §3.4)", UsageSigning)
	}
	return nil
}

// makeDefault has a key that somebody made sign from now on.
func (e *editing) makeDefault(id string) error {
	k := e.find(id)
	d, err := describe(k)
	if err != nil {
		return err
	}
	cert, err := d.certificate()
	switch {
	case err != nil:
		return err
	case d.Usage != UsageSigning:
		return refuse(invalidValue, "default", "must not be true: the key is for %s, and %s keys alone sign", d.Usage, UsageSigning)
	case k.Algorithm != e.own.algorithm:
		return refuse(invalidValue, "default", "must not be true: the key signs %s, and the environment's tokens are signed %s", k.Algorithm, e.own.algorithm)
	case e.now.Before(cert.NotBefore), !e.now.Before(cert.NotAfter):
		return refuse(invalidValue, "default", "must not be true: the certificate is not good now")
	}
	current := e.inSlot(store.SlotCurrent)
	*current = demoted(*current, e.now)
	k.Slot, k.SignsFrom, k.ExpiresAt = store.SlotCurrent, e.now, time.Time{}
	next := e.inSlot(store.SlotNext)
	next.SignsFrom = e.own.due(k, next)
	return nil
}

// rotate promotes the NEXT key of the environment's own rotation before its time.
func (e *editing) rotate() error {
	current, next := e.inSlot(store.SlotCurrent), e.inSlot(store.SlotNext)
	rotated, err := rotate(e.own, current, next, e.now, e.draw)
	if err != nil {
		return err
	}
	*next, *current = rotated[0], rotated[2]
	e.ring = append(e.ring, rotated[1])
	return nil
}

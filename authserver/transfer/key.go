package transfer

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/keys"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// signingKey is what a file says of a key. Its times are part of what it is: they say how long it signs.
type signingKey struct {
	Algorithm string        `json:"algorithm"`
	Slot      store.KeySlot `json:"slot"`
	Policy    string        `json:"policy,omitempty"` // ID of its key rotation policy; absent is the environment's own
	CreatedAt time.Time     `json:"createdAt"`
	SignsFrom time.Time     `json:"signsFrom,omitzero"`
	ExpiresAt time.Time     `json:"expiresAt,omitzero"`
	// Description is package keys'.
	Description json.RawMessage `json:"description,omitempty"`
}

var slots = []store.KeySlot{store.SlotCurrent, store.SlotNext, store.SlotPrevious, store.SlotPublished, store.SlotStored}

func (k *signingKey) check() error {
	var wrong []directory.Problem
	if k.Algorithm == "" && k.Slot != store.SlotStored {
		wrong = append(wrong, directory.Problemf(directory.RequiredValue, "algorithm", "must not be empty"))
	}
	if !slices.Contains(slots, k.Slot) {
		wrong = append(wrong, directory.Problemf(directory.InvalidValue, "slot", "must be one of CURRENT, NEXT, PREVIOUS, PUBLISHED, STORED"))
	}
	return directory.Invalid(wrong...)
}

// keys writes the keys, by ID.
func (x *exporter) keys(ctx context.Context) error {
	all, err := x.Keys.Take(ctx, x.env)
	if err != nil {
		return oauth.CannotTell("read keys", err)
	}
	slices.SortFunc(all, func(a, b keys.Moving) int { return strings.Compare(a.ID, b.ID) })
	for i := range all {
		k := &all[i]
		document, err := json.Marshal(signingKey{
			Algorithm: k.Algorithm, Slot: k.Slot, Policy: k.Policy, CreatedAt: k.CreatedAt, SignsFrom: k.SignsFrom, ExpiresAt: k.ExpiresAt,
			Description: k.Data,
		})
		if err != nil {
			return fmt.Errorf("encode key %s: %w", k.ID, err)
		}
		o := object{Kind: store.KindKey, ID: k.ID, Document: document}
		o.Sealed, err = seal(x.sealer, k.Private, x.env.ID, o.Kind, o.ID)
		clear(k.Private)
		if err != nil {
			return err
		}
		if err := x.out.line(o); err != nil {
			return err
		}
	}
	return nil
}

// key makes of a line what is to be done about it; nil for a key that is there.
func (im *importer) key(ctx context.Context, o *object) (*change, error) {
	if im.ring == nil {
		all, err := im.Keys.Take(ctx, im.env)
		if err != nil {
			return nil, oauth.CannotTell("read keys", err)
		}
		im.ring = map[string]bool{}
		for i := range all {
			im.ring[all[i].ID] = true
			clear(all[i].Private)
		}
	}
	if im.ring[o.ID] {
		return nil, nil
	}
	if !im.o.Keys {
		return nil, directory.Invalid(directory.Problemf("INSUFFICIENT_PERMISSIONS", "line",
			"cannot be a signing key: somebody in the environment has a role that who imports does not have"))
	}
	var k signingKey
	if err := known(im.rename(o.Document), &k); err != nil {
		return nil, invalid("has a document that %s", err)
	}
	private, err := im.opened(o)
	if err != nil {
		return nil, err
	}
	record := store.Key{
		Environment: im.env.ID, ID: o.ID, Algorithm: k.Algorithm, Slot: k.Slot, Policy: k.Policy, CreatedAt: k.CreatedAt, SignsFrom: k.SignsFrom,
		ExpiresAt: k.ExpiresAt, Data: k.Description,
	}
	return &change{
		Change:     directory.Change{Kind: store.KindKey, ID: o.ID},
		difference: Difference{Action: actionCreate, Kind: store.KindKey, ID: o.ID, Name: string(k.Slot)},
		key:        &keys.Moving{Key: record, Private: private},
	}, nil
}

// adopt takes the keys that were collected into the environment's ring.
func (im *importer) adopt(ctx context.Context) error {
	moving := im.moving
	im.moving = nil
	if len(moving) == 0 {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), batchTimeout)
	defer cancel()
	ring := make([]keys.Moving, len(moving))
	for i, c := range moving {
		ring[i] = *c.key
		defer clear(c.key.Private)
	}
	for _, c := range moving {
		err := im.Writer.Record(ctx, im.actor, im.env, store.Event{Action: "KEY.IMPORTED", Kind: store.KindKey, Object: c.ID, Name: c.ID})
		if err != nil {
			return im.blamed(err, c)
		}
	}
	adopted, err := im.Keys.Adopt(ctx, im.env, ring)
	if err != nil {
		return im.blamed(oauth.CannotTell("take keys over", err), moving[0])
	}
	im.progress.Created += len(adopted)
	im.progress.Same += len(moving) - len(adopted)
	im.tell(im.progress, nil)
	return nil
}

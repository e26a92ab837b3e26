package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const (
	readKeyRing = `SELECT version, keys FROM key_rings WHERE environment = $1`

	// One statement each, so that the ring and its version cannot differ: the ring
	// is read and replaced as a whole, never by key.
	firstKeyRing   = `INSERT INTO key_rings (environment, version, keys) VALUES ($1, 1, $2) ON CONFLICT DO NOTHING`
	replaceKeyRing = `UPDATE key_rings SET version = version + 1, keys = $2 WHERE environment = $1 AND version = $3`
)

// storedKey is store.Key as it is written into the ring. Times are seconds
// since 1970, absent for the zero time.
type storedKey struct {
	ID        string `json:"kid"`
	Algorithm string `json:"alg"`
	Slot      string `json:"slot"`
	Sealed    []byte `json:"sealed"`
	CreatedAt *int64 `json:"created_at,omitempty"`
	SignsFrom *int64 `json:"signs_from,omitempty"`
	ExpiresAt *int64 `json:"expires_at,omitempty"`
	Policy    string `json:"policy,omitempty"`
	Data      []byte `json:"data,omitempty"`
}

// KeyRing implements store.Keys.
func (db *DB) KeyRing(ctx context.Context, environment string) (keys []store.Key, version int64, err error) {
	if !identity(environment) {
		return nil, 0, nil
	}
	var ring string
	err = db.query(ctx, readKeyRing, []any{environment}, func(r Row) error { return r.Scan(&version, &ring) })
	if err != nil {
		return nil, 0, fmt.Errorf("read key ring: %w", err)
	}
	if version == 0 {
		return nil, 0, nil
	}
	var stored []storedKey
	if err := json.Unmarshal([]byte(ring), &stored); err != nil {
		return nil, 0, fmt.Errorf("read key ring: %w", err)
	}
	for _, k := range stored {
		keys = append(keys, store.Key{
			Environment: environment,
			ID:          k.ID,
			Algorithm:   k.Algorithm,
			Slot:        store.KeySlot(k.Slot),
			Sealed:      k.Sealed,
			CreatedAt:   optionalTime(k.CreatedAt),
			SignsFrom:   optionalTime(k.SignsFrom),
			ExpiresAt:   optionalTime(k.ExpiresAt),
			Policy:      k.Policy,
			Data:        unblob(k.Data),
		})
	}
	return keys, version, nil
}

// ReplaceKeyRing implements store.Keys.
func (db *DB) ReplaceKeyRing(ctx context.Context, environment string, version int64, keys []store.Key) error {
	stored := make([]storedKey, 0, len(keys))
	for _, k := range keys {
		if !identity(environment, k.ID, k.Policy) || !text(k.Algorithm, string(k.Slot)) {
			return errText("key")
		}
		if k.Environment != environment {
			return fmt.Errorf("store: key %q belongs to another environment", k.ID)
		}
		stored = append(stored, storedKey{
			ID:        k.ID,
			Algorithm: k.Algorithm,
			Slot:      string(k.Slot),
			Sealed:    k.Sealed,
			CreatedAt: optionalSeconds(k.CreatedAt),
			SignsFrom: optionalSeconds(k.SignsFrom),
			ExpiresAt: optionalSeconds(k.ExpiresAt),
			Policy:    k.Policy,
			Data:      k.Data,
		})
	}
	ring, err := json.Marshal(stored)
	if err != nil {
		return fmt.Errorf("replace key ring: %w", err)
	}
	s := &Statement{Text: firstKeyRing, Args: []any{environment, string(ring)}}
	if version != 0 {
		s = &Statement{Text: replaceKeyRing, Args: []any{environment, string(ring), version}}
	}
	if err := db.commit(ctx, &write{statements: []*Statement{s}, order: "key_rings " + environment}); err != nil {
		return fmt.Errorf("replace key ring: %w", err)
	}
	if s.Affected == 0 {
		return store.ErrConflict
	}
	return nil
}

func optionalSeconds(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	s := t.Unix()
	return &s
}

func optionalTime(s *int64) time.Time {
	if s == nil {
		return time.Time{}
	}
	return seconds(*s)
}

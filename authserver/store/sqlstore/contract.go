package sqlstore

import (
	"context"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

func (db *DB) ObjectByID(ctx context.Context, environment string, kind store.ObjectKind, id string) (store.Object, error) {
	panic("contract")
}

func (db *DB) ListObjects(ctx context.Context, f store.ObjectFilter, after string, limit int) ([]store.Object, error) {
	panic("contract")
}

func (db *DB) ChildrenOf(ctx context.Context, environment, parent string, limit int) ([]store.Object, error) {
	panic("contract")
}

func (db *DB) ObjectsByKey(ctx context.Context, environment string, kind store.ObjectKind, key string, limit int) ([]store.Object, error) {
	panic("contract")
}

func (db *DB) ObjectsVersion(ctx context.Context, environment string) (int64, error) {
	panic("contract")
}

func (db *DB) TouchObject(ctx context.Context, environment string, kind store.ObjectKind, id string, at time.Time) error {
	panic("contract")
}
func (db *DB) Apply(ctx context.Context, w store.Write) error { panic("contract") }
func (db *DB) PurgeEnvironment(ctx context.Context, environment string, limit int) (deleted int, err error) {
	panic("contract")
}

func (db *DB) ScanUsers(ctx context.Context, s store.UserScan) ([]store.ScannedUser, error) {
	panic("contract")
}

func (db *DB) CountUsers(ctx context.Context, environment, population string, every bool, limit int) (int, error) {
	panic("contract")
}

func (db *DB) EventByID(ctx context.Context, environment, id string, now time.Time) (store.Event, error) {
	panic("contract")
}

func (db *DB) ListEvents(ctx context.Context, f store.EventFilter, after string, limit int, now time.Time) ([]store.Event, error) {
	panic("contract")
}

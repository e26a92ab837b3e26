package sqlstore

import "context"

func (db *DB) PurgeEnvironment(ctx context.Context, environment string, limit int) (deleted int, err error) {
	panic("contract")
}

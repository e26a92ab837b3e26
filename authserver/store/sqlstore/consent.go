package sqlstore

import (
	"context"
	"fmt"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const (
	putConsent = `INSERT INTO consents (environment, subject, client_id, scopes, updated_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (environment, subject, client_id) DO UPDATE SET scopes = excluded.scopes, updated_at = excluded.updated_at`

	consentTo = `SELECT client_id, scopes, updated_at FROM consents WHERE environment = $1 AND subject = $2 AND client_id = $3`

	listConsents = `SELECT client_id, scopes, updated_at FROM consents WHERE environment = $1 AND subject = $2
ORDER BY client_id LIMIT $3`

	deleteConsent = `DELETE FROM consents WHERE environment = $1 AND subject = $2 AND client_id = $3`
)

// PutConsent implements store.Consents.
func (db *DB) PutConsent(ctx context.Context, c store.ConsentRecord) error {
	if !identity(c.Environment, c.Subject, c.Client) || !text(c.Scopes...) {
		return errText("consent")
	}
	scopes, err := encodeStrings(c.Scopes)
	if err != nil {
		return fmt.Errorf("store consent: %w", err)
	}
	s := &Statement{Text: putConsent, Args: []any{c.Environment, c.Subject, c.Client, scopes, micros(c.UpdatedAt)}}
	if err := db.commit(ctx, &write{statements: []*Statement{s}, order: consentOrder(c.Environment, c.Subject, c.Client)}); err != nil {
		return fmt.Errorf("store consent: %w", err)
	}
	return nil
}

// ConsentTo implements store.Consents.
func (db *DB) ConsentTo(ctx context.Context, environment, subject, client string) (store.ConsentRecord, error) {
	if !identity(environment, subject, client) {
		return store.ConsentRecord{}, store.ErrNotFound
	}
	list, err := db.consents(ctx, environment, subject, consentTo, client)
	if err != nil {
		return store.ConsentRecord{}, fmt.Errorf("read consent: %w", err)
	}
	if len(list) == 0 {
		return store.ConsentRecord{}, store.ErrNotFound
	}
	return list[0], nil
}

// ListConsents implements store.Consents.
func (db *DB) ListConsents(ctx context.Context, environment, subject string, limit int) ([]store.ConsentRecord, error) {
	if limit <= 0 || !identity(environment, subject) {
		return nil, nil
	}
	list, err := db.consents(ctx, environment, subject, listConsents, int64(limit))
	if err != nil {
		return nil, fmt.Errorf("list consents: %w", err)
	}
	return list, nil
}

// DeleteConsent implements store.Consents.
func (db *DB) DeleteConsent(ctx context.Context, environment, subject, client string) error {
	if !identity(environment, subject, client) {
		return store.ErrNotFound
	}
	s := &Statement{Text: deleteConsent, Args: []any{environment, subject, client}}
	if err := db.commit(ctx, &write{statements: []*Statement{s}, order: consentOrder(environment, subject, client)}); err != nil {
		return fmt.Errorf("delete consent: %w", err)
	}
	if s.Affected == 0 {
		return store.ErrNotFound
	}
	return nil
}

func consentOrder(environment, subject, client string) string {
	return "consents " + environment + " " + subject + " " + client
}

// consents reads those of one person that a statement finds with a third
// argument.
func (db *DB) consents(ctx context.Context, environment, subject, query string, third any) (list []store.ConsentRecord, err error) {
	err = db.query(ctx, query, []any{environment, subject, third}, func(r Row) error {
		c := store.ConsentRecord{Environment: environment, Subject: subject}
		var scopes string
		var updated int64
		if err := r.Scan(&c.Client, &scopes, &updated); err != nil {
			return err
		}
		c.UpdatedAt = moment(updated)
		list = append(list, c)
		return decodeStrings(scopes, &list[len(list)-1].Scopes)
	})
	return list, err
}

package store

import (
	"context"
	"time"
)

// ConsentRecord is what a person agreed that a client may have.
type ConsentRecord struct {
	Environment string
	Subject     string
	Client      string
	Scopes      []string // agreed to, each an Agreement, sorted
	UpdatedAt   time.Time
}

// Consents keeps what people agreed to, until it is withdrawn.
type Consents interface {
	// PutConsent stores c durably, replacing an earlier one. Of concurrent calls the last one counts.
	PutConsent(ctx context.Context, c ConsentRecord) error
	// ConsentTo finds the consent of subject to client, or ErrNotFound.
	ConsentTo(ctx context.Context, environment, subject, client string) (ConsentRecord, error)
	// ListConsents lists those of one person, by client, at most limit.
	ListConsents(ctx context.Context, environment, subject string, limit int) ([]ConsentRecord, error)
	// DeleteConsent withdraws a consent, or ErrNotFound.
	DeleteConsent(ctx context.Context, environment, subject, client string) error
}

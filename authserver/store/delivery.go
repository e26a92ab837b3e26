package store

import (
	"context"
	"time"
)

// Delivery is something that must reach somebody else: a back-channel logout
// token. It is kept until it was delivered or given up.
type Delivery struct {
	Environment string
	ID          string // UUIDv7
	Kind        string // "backchannel_logout" or "webhook"
	Target      string // URL
	Client      string
	Data        []byte // what to make the message of; holds no credential
	Attempts    int
	NextAt      time.Time // not before
	ExpiresAt   time.Time // given up then
}

// Deliveries is a queue that survives restarts and that nodes share.
type Deliveries interface {
	// PutDelivery enqueues d durably. An ID already present in the environment is ErrExists.
	PutDelivery(ctx context.Context, d Delivery) error
	// ClaimDeliveries returns at most limit deliveries of one kind that are due at now and have
	// not expired, in no order, but the longest due before others. It moves their NextAt to until, which
	// must be behind now, so that nobody else gets them before: of any number of concurrent calls, on any
	// node, one gets a delivery. Those of every environment are claimed.
	ClaimDeliveries(ctx context.Context, kind string, now, until time.Time, limit int) ([]Delivery, error)
	// RetryDelivery sets Attempts and NextAt of a claimed one, and nothing else; FinishDelivery forgets
	// it. One that is gone is no error.
	RetryDelivery(ctx context.Context, d Delivery) error
	FinishDelivery(ctx context.Context, environment, id string) error
}

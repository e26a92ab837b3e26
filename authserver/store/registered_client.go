package store

import (
	"context"
	"time"
)

// RegisteredClient is a client that registered itself (RFC 7591).
type RegisteredClient struct {
	Environment string
	ID          string // client_id
	// Client is what it may do, its secrets sealed by package registration.
	Client Client
	// Sealed holds its secrets; Metadata is the client's own document as it is read back.
	Sealed   []byte
	Metadata []byte
	// AccessToken is the hash of its registration_access_token (RFC 7592 §3).
	AccessToken Hash
	CreatedAt   time.Time
	Version     int64 // 1 when put, whatever was given; each replacement adds 1
}

// RegisteredClients keeps them. Client is kept as JSON.
type RegisteredClients interface {
	// PutRegisteredClient stores a new one durably; an ID already present in the environment is ErrExists.
	PutRegisteredClient(ctx context.Context, c RegisteredClient) error
	// RegisteredClientByID finds one, or ErrNotFound.
	RegisteredClientByID(ctx context.Context, environment, id string) (RegisteredClient, error)
	// ListRegisteredClients lists at most limit of an environment, by ID, behind the ID after; "" is the beginning.
	ListRegisteredClients(ctx context.Context, environment, after string, limit int) ([]RegisteredClient, error)
	// ReplaceRegisteredClient stores every field if the version is still c.Version,
	// which becomes c.Version+1; otherwise, or where it is gone, ErrConflict. Of any number of
	// concurrent calls with one version exactly one succeeds.
	ReplaceRegisteredClient(ctx context.Context, c RegisteredClient) error
	// DeleteRegisteredClient deletes one, or ErrNotFound.
	DeleteRegisteredClient(ctx context.Context, environment, id string) error
	// RegisteredPostLogoutRedirectURI reports whether an enabled registered client has the address, byte
	// for byte, among its Client.PostLogoutRedirectURIs.
	RegisteredPostLogoutRedirectURI(ctx context.Context, environment, uri string) (bool, error)
}

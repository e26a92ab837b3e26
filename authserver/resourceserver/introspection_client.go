package resourceserver

import (
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/fetch"
)

// credentials are the gate's own.
func (in *Introspection) credentials(issuer string, now func() time.Time) fetch.Credentials {
	return fetch.Credentials{
		ClientID: in.ClientID, Method: in.AuthMethod, Secret: in.ClientSecret, Key: in.PrivateKey, Issuer: issuer, Now: now,
	}
}

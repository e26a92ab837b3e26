package web

import (
	"net/http"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// Presented is an error that knows how to show itself: as a page, or as a
// redirect to a client. Handle logs and counts it like any other. It may set
// cookies before it writes.
type Presented struct {
	Err   error
	Write func(w http.ResponseWriter, e *oauth.Error, id string)
}

// Error is that of Err.
func (p *Presented) Error() string { return p.Err.Error() }

// Unwrap gives Err.
func (p *Presented) Unwrap() error { return p.Err }

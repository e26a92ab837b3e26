package endpoint

import (
	"net/http"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// ErrorPage shows an error that must not travel to a client.
type ErrorPage interface {
	Error(w http.ResponseWriter, r *http.Request, env *store.Environment, e *oauth.Error, id string)
}

// onPage has err shown to the person instead of being rendered.
func onPage(pages ErrorPage, r *http.Request, env *store.Environment, err error) error {
	return &web.Presented{Err: err, Write: func(w http.ResponseWriter, shown *oauth.Error, id string) {
		pages.Error(w, r, env, shown, id)
	}}
}

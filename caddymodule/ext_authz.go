package caddymodule

import "net/http"

type extAuthz struct{}

func newExtAuthz(b *BearerAuth) *extAuthz { return &extAuthz{} }

func (e *extAuthz) serve(w http.ResponseWriter, r *http.Request) error { return nil }

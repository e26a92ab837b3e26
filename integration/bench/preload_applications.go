package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// preloadApplications puts n applications into an environment of a database that
// no server uses, through the store: those that applicationLine makes from number
// first on, but without what belongs to them. An import makes all that, and takes ten times as long.
func (d *database) preloadApplications(environment string, first, n int) error {
	return d.with(func(ctx context.Context, s store.Store) error {
		now := time.Now().UTC()
		w := store.Write{Environment: environment}
		for i := range n {
			o, err := applicationObject(environment, first+i, now)
			if err != nil {
				return err
			}
			if w.Put = append(w.Put, o); len(w.Put) < 500 && i < n-1 {
				continue
			}
			if err := s.Apply(ctx, w); err != nil {
				return fmt.Errorf("store applications: %w", err)
			}
			w.Put = nil
		}
		return nil
	})
}

// applicationObject is an application as package directory keeps it.
func applicationObject(environment string, i int, now time.Time) (store.Object, error) {
	var b bytes.Buffer
	applicationLine(&b, i)
	var line struct {
		ID       string                `json:"id"`
		Document directory.Application `json:"document"`
	}
	if err := json.Unmarshal(b.Bytes(), &line); err != nil {
		return store.Object{}, err
	}
	data, err := json.Marshal(&line.Document)
	if err != nil {
		return store.Object{}, err
	}
	o := store.Object{Environment: environment, Kind: store.KindApplication, ID: line.ID, Data: data, CreatedAt: now, UpdatedAt: now}
	o.Unique, o.Lookups = line.Document.Keys()
	return o, nil
}

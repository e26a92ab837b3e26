// Package declared is a store.Directory made from configuration: everything in
// memory, checked once, never changed. A new configuration is a new Directory.
//
// Config is meant to be written by hand or by a Caddyfile; its JSON member names
// are the Caddyfile's option names. New checks all of it and names the object
// and the option in every error.
//
// It leaves client secrets and passwords as they were declared: they are already
// in the configuration, so hashing them at each load would protect nothing and
// cost a start-up its speed. They are never logged and never reach a backend.
//
// Start reading at Config, then New.
package declared

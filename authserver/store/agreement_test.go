package store_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// TestAgreements: a scope of a custom resource is agreed to at that resource, not at others that have one of the same name.
func TestAgreements(t *testing.T) {
	c := &store.Client{Grants: map[string][]string{
		store.ResourceOpenID: {"openid", "profile"}, "a": {"read", "write"}, "b": {"read"}, "c": {"read"},
	}}
	for _, tt := range []struct {
		name              string
		scopes, resources []string
		want              []store.Agreement
	}{
		{"of OpenID Connect and PingOne", []string{"openid", "profile", "p1:read:user"}, []string{"a"}, []store.Agreement{"openid", "profile", "p1:read:user"}},
		{"of one resource", []string{"openid", "read", "write"}, []string{"a"}, []store.Agreement{"openid", "read a", "write a"}},
		{"of two that share a name", []string{"read", "write"}, []string{"a", "b"}, []store.Agreement{"read a", "read b", "write a"}},
		{"of a resource that is not known", []string{"read"}, nil, []store.Agreement{"read"}},
		{"that the client may not have there", []string{"write"}, []string{"b"}, []store.Agreement{"write"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, c.Agreements(tt.scopes, tt.resources)); diff != "" {
				t.Errorf("agreements (-want +got):\n%s", diff)
			}
		})
	}
}

// TestConsentRecord: what was agreed to covers that, and no scope of the same name elsewhere.
func TestConsentRecord(t *testing.T) {
	for _, tt := range []struct {
		name   string
		has    []string
		wanted []store.Agreement
		want   bool
	}{
		{"all of it", []string{"openid", "read a"}, []store.Agreement{"openid", "read a"}, true},
		{"one of several", []string{"openid", "read a", "read b"}, []store.Agreement{"read b"}, true},
		{"nothing", nil, []store.Agreement{"openid"}, false},
		{"nothing wanted", nil, nil, true},
		{"another scope", []string{"read a"}, []store.Agreement{"write a"}, false},
		{"one of two", []string{"read a"}, []store.Agreement{"read a", "write a"}, false},
		{"another resource", []string{"read a"}, []store.Agreement{"read b"}, false},
		{"another scope whose name begins like it", []string{"reader a"}, []store.Agreement{"read a"}, false},
		{"from before resources were written down", []string{"read"}, []store.Agreement{"read a"}, true},
		{"of a resource that is not known any more", []string{"read a"}, []store.Agreement{"read"}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := store.ConsentRecord{Scopes: tt.has}
			if got := r.Covers(tt.wanted); got != tt.want {
				t.Errorf("%q covers %q: %t, want %t", tt.has, tt.wanted, got, tt.want)
			}
		})
	}
	t.Run("added to", func(t *testing.T) {
		before := []string{"openid", "read", "write"}
		r := store.ConsentRecord{Scopes: before}
		r.Add([]store.Agreement{"read b", "openid", "read a"})
		if diff := cmp.Diff([]string{"openid", "read a", "read b", "write"}, r.Scopes); diff != "" {
			t.Errorf("agreed to (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"openid", "read", "write"}, r.Names()); diff != "" {
			t.Errorf("names (-want +got):\n%s", diff)
		}
		if before[1] != "read" {
			t.Error("what was read from the store was changed")
		}
	})
}

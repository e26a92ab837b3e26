package store_test

import (
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

func TestTrustsOrigin(t *testing.T) {
	c := &store.Client{CORS: []string{"https://app.example.com", "https://*.shop.example", "https://*.a.shop.example:8443"}}
	tests := []struct {
		name, origin string
		want         bool
	}{
		{"the origin itself", "https://app.example.com", true},
		{"another scheme", "http://app.example.com", false},
		{"another port", "https://app.example.com:8443", false},
		{"with a path", "https://app.example.com/", false},
		{"one label below a pattern", "https://eu.shop.example", true},
		{"two labels below a pattern", "https://x.eu.shop.example", false},
		{"the host below which the pattern is", "https://shop.example", false},
		{"a pattern with a port", "https://x.a.shop.example:8443", true},
		{"a pattern with another port", "https://x.a.shop.example:8444", false},
		{"the pattern as an origin", "https://*.shop.example", false},
		{"a host that ends in the same letters", "https://evilshop.example", false},
		{"what is no origin", "null", false},
		{"nothing", "", false},
		{"an empty label", "https://.shop.example", false},
		{"user information", "https://a:b@x.shop.example", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := c.TrustsOrigin(tt.origin); got != tt.want {
				t.Errorf("TrustsOrigin(%q) = %v, want %v", tt.origin, got, tt.want)
			}
		})
	}
}

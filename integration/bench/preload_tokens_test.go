package main

import "testing"

// preloadTokens checks by itself that the store finds the tokens that it wrote.
func TestPreloadTokens(t *testing.T) {
	for _, tt := range preloaded {
		t.Run(tt.name, func(t *testing.T) {
			d := tt.open(t)
			defer d.close()
			if err := d.preloadPeople(ecEnvironment, 100); err != nil {
				t.Fatal(err)
			}
			if err := d.preloadTokens(ecEnvironment, 100*tokensEach+manyMore); err != nil {
				t.Fatal(err)
			}
		})
	}
}

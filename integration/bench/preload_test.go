package main

import (
	"path/filepath"
	"testing"
)

// preload checks by itself that the store sees what it wrote.
func TestPreload(t *testing.T) {
	if err := preload(filepath.Join(t.TempDir(), "gatehouse.db"), 2000); err != nil {
		t.Fatal(err)
	}
}

package main

import (
	"math"
	"testing"
)

func TestDivide(t *testing.T) {
	const traces = `File: caddy
Type: cpu
Duration: 6s, Total samples = 100ms
-----------+-------------------------------------------------------
      30ms   crypto/internal/bigmod.addMulVVW2048
             crypto/rsa.SignPKCS1v15
             main.main
-----------+-------------------------------------------------------
      50ms   golang.org/x/crypto/argon2.processBlock
             main.main
-----------+-------------------------------------------------------
      20ms   runtime.mallocgc
-----------+-------------------------------------------------------
`
	got, err := divide([]byte(traces), []kind{{"signing", "crypto/rsa."}, {"hashing", "crypto/argon2."}, {"storage", "sqlstore."}})
	if err != nil {
		t.Fatal(err)
	}
	want := []share{{"signing", 0.3}, {"hashing", 0.5}, {"storage", 0}, {"rest", 0.2}}
	for i, w := range want {
		if got[i].name != w.name || math.Abs(got[i].share-w.share) > 1e-9 {
			t.Errorf("share %d = %+v, want %+v", i, got[i], w)
		}
	}
	if _, err := divide([]byte("File: caddy\n"), nil); err == nil {
		t.Error("a profile without samples was divided")
	}
}

package caddymodule_test

import (
	"runtime/metrics"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/caddy-gatehouse/gatehouse/caddymodule"
)

// TestPropertyParserSurvival is property 6 of the attack catalogue where other proxies ask: no bytes of a message or an address panic, take long, or take
// much memory. The readers of what clients and issuers send are in the package authserver's test of this name.
func TestPropertyParserSurvival(t *testing.T) {
	const longest, mostTime, mostMemory = 64 << 10, time.Second, 8 << 20
	q := question("token", "x-user", "mallory")
	q.Attributes.Source.Certificate = "-----BEGIN%20CERTIFICATE-----"
	message, err := proto.Marshal(q)
	if err != nil {
		t.Fatal(err)
	}
	allocated := func() uint64 {
		sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	for _, reader := range []struct {
		name string
		read func([]byte)
		seed []byte
	}{
		{"ext_authz_message", func(b []byte) { _, _ = caddymodule.ParseCheckRequest(b) }, message},
		{"forwarded_target", func(b []byte) { _, _ = caddymodule.ParseTarget(string(b)) }, []byte("/orders/%2e%2e/x?y=1#z")},
	} {
		t.Run(reader.name, func(t *testing.T) {
			rapid.Check(t, func(r *rapid.T) {
				input := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(r, "bytes")
				if rapid.IntRange(0, 3).Draw(r, "of the seed") > 0 {
					seed := reader.seed
					i := rapid.IntRange(0, len(seed)).Draw(r, "from")
					j := rapid.IntRange(i, len(seed)).Draw(r, "to")
					input = append(append(append([]byte{}, seed[:i]...), input[:min(len(input), 8)]...), seed[j:]...)
					for unit := seed[i:j]; len(unit) > 0 && len(input)+len(unit) <= longest && rapid.IntRange(0, 9).Draw(r, "repeated") > 0; {
						unit = append(unit[:len(unit):len(unit)], unit...)
						input = append(input, unit...)
					}
				}
				input = input[:min(len(input), longest)]
				var took time.Duration
				var memory uint64
				for try := range 6 { // others are at work on the machine, a while at most: what takes too much does so every time
					time.Sleep(time.Duration(try) * 50 * time.Millisecond)
					start, before := time.Now(), allocated()
					reader.read(input)
					if took, memory = time.Since(start), allocated()-before; took <= mostTime && memory <= mostMemory {
						return
					}
				}
				r.Fatalf("%d bytes took %v and %d bytes of memory, want at most %v and %d", len(input), took, memory, mostTime, mostMemory)
			})
		})
	}
}

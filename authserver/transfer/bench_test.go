package transfer_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/transfer"
)

// people is a file of n users.
func people(n int) []byte {
	var b bytes.Buffer
	b.WriteString(first)
	for i := range n {
		fmt.Fprintf(&b, `{"kind":"user","id":"66666666-0000-4000-8000-%012d","document":{"username":"user%d","enabled":true,"claims":{"email":"user%d@example.com","given_name":"User","family_name":"Number %d"}}}`+"\n", i, i, i, i)
	}
	b.WriteString(end)
	return b.Bytes()
}

func BenchmarkImportUsers(b *testing.B) {
	const n = 10_000
	file := people(n)
	for b.Loop() {
		b.StopTimer()
		s := newServer(b, bare(demo), key(1))
		b.StartTimer()
		if _, err := s.tryImport(b.Context(), nil, bytes.NewReader(file), transfer.ImportOptions{}); err != nil {
			b.Fatal(explain(err))
		}
	}
	b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "users/s")
}

func BenchmarkExportUsers(b *testing.B) {
	const n = 10_000
	s := newServer(b, bare(demo), key(1))
	if _, err := s.tryImport(b.Context(), nil, bytes.NewReader(people(n)), transfer.ImportOptions{}); err != nil {
		b.Fatal(explain(err))
	}
	for b.Loop() {
		if err := s.Export(b.Context(), s.env, io.Discard, withUsers); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "users/s")
}

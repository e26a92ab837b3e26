package dpop_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/dpop"
)

// proofs are n good proofs of one client, each with its own jti.
func proofs(n int) []string {
	list := make([]string, n)
	header := goodHeader()
	for i := range list {
		list[i] = proof(header, goodClaims().with("jti", fmt.Sprintf("01234567-89ab-cdef-0123-%012d", i)))
	}
	return list
}

// BenchmarkVerify judges proofs of one client at a gate, each of them new. Compare with BenchmarkRawES256.
func BenchmarkVerify(b *testing.B) {
	list := proofs(512)
	v := newVerifier()
	values := make([]string, 1)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if i%len(list) == 0 {
			v.Replays = dpop.NewWindow(0)
		}
		values[0] = list[i%len(list)]
		if _, err := v.Verify(context.Background(), values, request); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

// BenchmarkRawES256 is the signature alone, the hash of its input included.
func BenchmarkRawES256(b *testing.B) {
	k := keys().p256
	input := []byte(proof(goodHeader(), goodClaims()))
	input = input[:len(input)-87]
	sig := byEC(k)(input)
	r, s := new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])
	b.ReportAllocs()
	for b.Loop() {
		sum := sha256.Sum256(input)
		if !ecdsa.Verify(&k.PublicKey, sum[:], r, s) {
			b.Fatal("the signature does not verify")
		}
	}
}

// BenchmarkVerifyStrangers judges proofs whose keys were never seen before.
func BenchmarkVerifyStrangers(b *testing.B) {
	list := make([]string, 512)
	for i := range list { // the header differs, the key need not
		list[i] = proof(goodHeader().with("kid", fmt.Sprint("k", i)), goodClaims().with("htm", "GET"))
	}
	v := newVerifier()
	values := make([]string, 1)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		values[0] = list[i%len(list)]
		if _, err := v.Verify(context.Background(), values, request); err == nil {
			b.Fatal("accepted")
		}
		i++
	}
}

// benchKeys are the thumbprints of as many keys as a busy gate sees in a minute.
var benchKeys = func() (list [4096]string) {
	for i := range list {
		list[i] = fmt.Sprintf("%043d", i)
	}
	return list
}()

// BenchmarkWindow spends ids at a rate at which 300,000 are remembered at a time.
func BenchmarkWindow(b *testing.B) {
	w := dpop.NewWindow(0)
	at := now
	var id [32]byte
	b.ReportAllocs()
	n := uint64(0)
	for b.Loop() {
		n++
		binary.LittleEndian.PutUint64(id[:], n*0x9e3779b97f4a7c15)
		if n%4000 == 0 {
			at = at.Add(time.Second)
		}
		if err := w.Spend(context.Background(), dpop.Owner{Key: benchKeys[n%uint64(len(benchKeys))]}, id, at.Add(75*time.Second), at); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWindowOverShare asks for one more of a key that has all it may have, from all processors.
func BenchmarkWindowOverShare(b *testing.B) {
	w := dpop.NewWindow(1 << 16)
	var id [32]byte
	for n := uint64(0); ; n++ {
		binary.LittleEndian.PutUint64(id[:], n*0x9e3779b97f4a7c15)
		if w.Spend(context.Background(), dpop.Owner{Key: benchKeys[0]}, id, now.Add(time.Minute), now) != nil {
			break
		}
	}
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := w.Spend(context.Background(), dpop.Owner{Key: benchKeys[0]}, id, now.Add(time.Minute), now); !errors.Is(err, dpop.ErrOverShare) {
				b.Error("a key has more than its share")
			}
		}
	})
}

// BenchmarkWindowReplayed asks for one that is remembered, from all processors.
func BenchmarkWindowReplayed(b *testing.B) {
	w := dpop.NewWindow(0)
	sum := sha256.Sum256([]byte("one"))
	if err := w.Spend(context.Background(), dpop.Owner{Key: benchKeys[0]}, sum, now.Add(time.Minute), now); err != nil {
		b.Fatal(err)
	}
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := w.Spend(context.Background(), dpop.Owner{Key: benchKeys[0]}, sum, now.Add(time.Minute), now); !errors.Is(err, dpop.ErrReplayed) {
				b.Error("a used proof is good")
			}
		}
	})
}

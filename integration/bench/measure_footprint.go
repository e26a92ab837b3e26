package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// footprint is what Gatehouse adds to stock Caddy of the same versions: stock
// proxies, Gatehouse proxies behind its gate and is an authorization server
// with a store that exists already.
func (b *bench) footprint() error {
	dir := filepath.Join(b.runs, "footprint")
	a, err := b.authorityConfig(dir)
	if err != nil {
		return err
	}
	plain, err := newSite(b.proxyTo())
	if err != nil {
		return err
	}
	plainConfig, err := newCaddyfile("", plain)
	if err != nil {
		return err
	}
	// The first start makes store and keys, and a token that outlives it.
	if err := b.run(a, "footprint"); err != nil {
		return err
	}
	tokens, err := a.issue(rsaEnvironment, 1)
	a.stop()
	if err != nil {
		return err
	}
	stockBinary, err := copied(b.bin.stock, dir, "stock")
	if err != nil {
		return err
	}
	binary, err := copied(b.bin.gatehouse, dir, "gatehouse")
	if err != nil {
		return err
	}
	type run struct{ start, memory []float64 }
	var stock, gatehouse run
	for range b.blocks(7) {
		for _, side := range []struct {
			run     *run
			binary  string
			config  caddyfile
			addr    string
			request []byte
		}{
			{&stock, stockBinary, plainConfig, plain.addr, get(plain.addr, "/", tokens[0])},
			{&gatehouse, binary, a.config, a.gate, get(a.gate, "/", tokens[0])},
		} {
			ms, mib, err := b.coldStart(dir, side.binary, side.config, side.addr, side.request)
			if err != nil {
				return err
			}
			side.run.start, side.run.memory = append(side.run.start, ms), append(side.run.memory, mib)
		}
	}
	size, err := addedSize(b.bin.stock, b.bin.gatehouse)
	if err != nil {
		return err
	}
	b.report.add(
		value("footprint.memory", median(gatehouse.memory)-median(stock.memory), "MiB added").target(atMost, 15),
		value("footprint.memory.stock", median(stock.memory), "MiB"),
		value("footprint.start", median(gatehouse.start)-median(stock.start), "ms added").target(atMost, 50),
		value("footprint.start.stock", median(stock.start), "ms"),
		value("footprint.binary", size, "MiB added").target(atMost, 20),
	)
	return nil
}

// copied is a copy of a binary as an installed one is: written from front to back. One that was linked just now is
// in the page cache in other pieces, of which some megabytes more are mapped than are used.
func copied(binary, dir, name string) (path string, err error) {
	text, err := os.ReadFile(binary)
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, name)
	return path, os.WriteFile(path, text, 0o755)
}

// coldStart measures the time from the start of the process until it serves
// the upstream's answer, and the memory that it keeps when it is left alone then.
func (b *bench) coldStart(dir, binary string, config caddyfile, addr string, request []byte) (ms, mib float64, err error) {
	begin := time.Now()
	s, err := b.launch("footprint", dir, binary, config)
	if err != nil {
		return 0, 0, err
	}
	defer s.stop()
	if _, err := s.answers(addr, request, http.StatusOK); err != nil {
		return 0, 0, err
	}
	ms = float64(time.Since(begin).Microseconds()) / 1000
	time.Sleep(700 * time.Millisecond)
	bytes, err := residentBytes(s.pid())
	return ms, bytes / (1 << 20), err
}

func addedSize(stock, gatehouse string) (mib float64, err error) {
	var sizes [2]int64
	for i, path := range []string{stock, gatehouse} {
		info, err := os.Stat(path)
		if err != nil {
			return 0, fmt.Errorf("binary size: %w", err)
		}
		sizes[i] = info.Size()
	}
	return float64(sizes[1]-sizes[0]) / (1 << 20), nil
}

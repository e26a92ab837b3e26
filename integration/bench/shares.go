package main

import (
	"bufio"
	"bytes"
	"errors"
	"os/exec"
	"strings"
	"time"
)

// kind of work in a profile: stacks with a function whose name contains in. Of
// several kinds in one stack the first one listed counts.
type kind struct{ name, in string }

type share struct {
	name  string
	share float64
}

// profileShares says how a CPU profile divides into kinds of work; "rest" is last.
func profileShares(path string, kinds []kind) ([]share, error) {
	out, err := exec.Command("go", "tool", "pprof", "-traces", path).Output()
	if err != nil {
		return nil, err
	}
	return divide(out, kinds)
}

// divide reads the stacks that pprof prints: between lines of dashes, each with
// its time in front of its first function.
func divide(traces []byte, kinds []kind) ([]share, error) {
	sums := make([]time.Duration, len(kinds)+1)
	var total, spent time.Duration
	in := len(kinds)
	flush := func() {
		sums[in] += spent
		total += spent
		spent, in = 0, len(kinds)
	}
	for s := bufio.NewScanner(bytes.NewReader(traces)); s.Scan(); {
		line := s.Text()
		if strings.HasPrefix(line, "-----") {
			flush()
			continue
		}
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		if d, err := time.ParseDuration(fields[0]); err == nil && len(fields) > 1 {
			spent = d
		}
		for i, k := range kinds[:in] {
			if strings.Contains(line, k.in) {
				in = i
				break
			}
		}
	}
	flush()
	if total == 0 {
		return nil, errors.New("it has no samples")
	}
	shares := make([]share, len(sums))
	for i, sum := range sums {
		shares[i] = share{"rest", float64(sum) / float64(total)}
		if i < len(kinds) {
			shares[i].name = kinds[i].name
		}
	}
	return shares, nil
}

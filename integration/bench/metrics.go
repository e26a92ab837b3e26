package main

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// verifications is how many JWTs a gate has verified in full so far, by its metrics.
func (s *server) verifications() (float64, error) {
	return s.metric("_count", `path="jwt"`)
}

// metric sums the server's Gatehouse series whose name ends with suffix and whose
// labels contain label. A series that does not exist yet counts as zero, a server without any
// Gatehouse series is an error.
func (s *server) metric(suffix, label string) (float64, error) {
	status, body, err := ask(s.admin, get(s.admin, "/metrics", ""))
	if err != nil {
		return 0, err
	}
	if status != http.StatusOK {
		return 0, fmt.Errorf("metrics: status %d", status)
	}
	sum, any := 0.0, false
	for line := range strings.Lines(string(body)) {
		if !strings.HasPrefix(line, "gatehouse_") && !strings.HasPrefix(line, "caddy_gatehouse_") {
			continue
		}
		any = true
		series, number, _ := strings.Cut(strings.TrimSpace(line), "} ")
		name, labels, _ := strings.Cut(series, "{")
		if !strings.HasSuffix(name, suffix) || !strings.Contains(labels, label) {
			continue
		}
		v, err := strconv.ParseFloat(number, 64)
		if err != nil {
			return 0, fmt.Errorf("metrics: %q: %w", line, err)
		}
		sum += v
	}
	if !any {
		return 0, errors.New("metrics: no gatehouse series")
	}
	return sum, nil
}

package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"
)

// What people do, each of several at a time and step after step.
const (
	people = 16

	webID       = "bench-web"
	webSecret   = "bench-web-secret"
	webRedirect = "http://localhost:9/callback"
	webUser     = "bench-user"
	webPassword = "bench-user-password"
)

// signIn measures the ways in which people get tokens: with a code where they
// are signed on already, by refreshing, and with page and password. A whole
// exchange makes an access and an ID token, so that half of the raw signing rate is
// what the first two cannot exceed.
func (b *bench) signIn() error {
	a, err := b.startAuthority("signin")
	if err != nil {
		return err
	}
	defer a.stop()
	raw, err := b.startSigner("RS256")
	if err != nil {
		return err
	}
	defer raw.close()

	const against = "half of raw RS256 signing"
	for _, c := range []struct {
		name string
		step func(*person) error
	}{
		{"code.rs256", (*person).codeFlow},
		{"refresh.rs256", (*person).refresh},
	} {
		crowd, err := newCrowd(a, c.step)
		if err != nil {
			return err
		}
		o, err := b.play(patiently(halved{raw}, crowd, 10))
		if err != nil {
			return err
		}
		rows := requestRate(c.name+".rate", o, against)
		if c.name == "code.rs256" {
			rows = rows.target(atLeast, 0.90)
		}
		b.report.add(rows, cpu(c.name+".cpu", o, against))
	}
	return b.passwords(a)
}

// halved is a signer of which two signatures count as one answer.
type halved struct{ *signer }

func (h halved) round(warm, window time.Duration) (slice, error) {
	s, err := h.signer.round(warm, window)
	s.answers /= 2
	return s, err
}

// passwords measures whole sign-ins, pages and password hashing included, and
// what the server's processor time goes into.
func (b *bench) passwords(a *authority) error {
	crowd, err := newCrowd(a, (*person).passwordFlow)
	if err != nil {
		return err
	}
	window := 6 * time.Second
	if b.quick {
		window = 2 * time.Second
	}
	path := filepath.Join(b.dir, "profiles", "signin-password.pprof")
	profile := make(chan error, 1)
	go func() { profile <- a.server.profile(path, window) }()
	s, err := crowd.round(time.Second/2, window)
	if err := errors.Join(err, <-profile); err != nil {
		return err
	}
	got := s.sample()
	b.report.add(value("signin.password.rate", got.rate, "sign-ins/s"), value("signin.password.p99", got.p99, "ms"),
		value("signin.password.cpu", got.cpuMicros, "us/sign-in"))
	shares, err := profileShares(path, []kind{
		{"signing", "crypto/rsa."},
		{"hashing", "crypto/argon2."},
		{"storage", "/authserver/store/sqlstore."},
	})
	if err != nil {
		return fmt.Errorf("profile of sign-ins: %w", err)
	}
	for _, share := range shares {
		b.report.add(value("signin.password.share."+share.name, share.share, "of processor time"))
	}
	return nil
}

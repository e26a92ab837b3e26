package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"time"
)

// measure is one group of results, with what it starts and stops by itself.
type measure struct {
	name  string
	about string
	run   func(*bench) error
}

// measures run in this order, which leaves the quiet ones last.
var measures = []measure{
	{"harness", "how far the measuring itself is to be trusted", (*bench).harness},
	{"gate.hot", "one hot JWT against the same Caddy without a check, at two settings of GOGC", (*bench).gateHot},
	{"gate.local", "one hot token of an authorization server in the same process, a JWT and an opaque one", (*bench).gateLocal},
	{"gate.10000", "10,000 distinct valid JWTs in turn", (*bench).gateMany},
	{"gate.new", "every token new", (*bench).gateNew},
	{"gate.opaque", "opaque tokens whose introspection is cached: one, and 10,000", (*bench).gateOpaque},
	{"gate.dpop", "a known token with a new DPoP proof each time, against raw verification and the same Caddy without a check", (*bench).gateDPoP},
	{"gate.policy", "one condition and three forwarded claims against the same gate without", (*bench).gatePolicy},
	{"gate.authorizer", "questions of other proxies: over HTTP, and Envoy's over gRPC", (*bench).gateAuthorizer},
	{"gate.streams", "a thousand and ten thousand open event streams whose tokens end", (*bench).gateStreams},
	{"flood", "10,000 bad signatures or unknown key ids, and good tokens meanwhile", (*bench).flood},
	{"hotcheck", "the hot check in Go", (*bench).hotCheck},
	{"token", "the token endpoint against raw signing", (*bench).tokenEndpoint},
	{"token.dpop", "the token endpoint with tokens that are bound to a DPoP key", (*bench).tokenDPoP},
	{"signin", "codes, refreshes and whole sign-ins of people, against raw signing", (*bench).signIn},
	{"introspect", "introspection against a static answer", (*bench).introspection},
	{"documents", "JWKS and discovery against a static answer", (*bench).documents},
	{"stored", "the same rates with a million live tokens stored", (*bench).stored},
	{"managing", "the management API among a million users and 10,000 applications, on each store", (*bench).managing},
	{"legacy", "the legacy endpoints among a million live tokens, on each store", (*bench).legacy},
	{"revocation", "tokens still accepted after their revocation", (*bench).revocation},
	{"footprint", "memory, cold start and size added to stock Caddy", (*bench).footprint},
	{"peers", "other plugins on the same work", (*bench).peers},
}

// options are the command line's.
type options struct {
	quick   bool
	profile bool
	only    *regexp.Regexp
}

// bench is one run.
type bench struct {
	options
	dir   string // binaries and results: bin/bench
	runs  string // data of the servers of this run
	start time.Time

	place    placement
	bin      binaries
	upstream *upstream
	issuer   *issuer
	servers  []*server // everything ever launched
	report   report

	profiles int    // taken so far
	bareAddr string // the Caddy without a check, once it runs
	bare     *server
}

func main() {
	var o options
	flag.BoolVar(&o.quick, "quick", false, "fewer rounds and smaller stores: a look, not a measurement")
	flag.BoolVar(&o.profile, "profile", false, "take CPU profiles meanwhile, into bin/bench/profiles; they slow the servers down")
	only := flag.String("only", "", "run only the measures whose name matches this regular expression")
	list := flag.Bool("list", false, "list the measures and exit")
	signer := flag.String("signer", "", "internal: sign as fast as possible when told to on standard input")
	flag.Parse()

	if *signer != "" {
		if err := signOnDemand(*signer, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	if *list {
		for _, m := range measures {
			fmt.Printf("%-15s %s\n", m.name, m.about)
		}
		return
	}
	var err error
	if o.only, err = regexp.Compile(*only); err == nil {
		err = run(o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run is the whole benchmark. An error means that something could not be
// measured at all; a missed target is no error.
func run(o options) error {
	if _, err := os.Stat("go.mod"); err != nil {
		return errors.New("run it from the repository's root: go run ./integration/bench")
	}
	dir, err := filepath.Abs(filepath.Join("bin", "bench"))
	if err != nil {
		return err
	}
	b := &bench{options: o, dir: dir, start: time.Now(), report: report{out: os.Stdout}}
	if b.place, err = newPlacement(); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if b.runs, err = os.MkdirTemp(dir, "run-"); err != nil {
		return err
	}
	defer b.close()

	if err := b.build(); err != nil {
		return err
	}
	if err := b.place.settle(); err != nil {
		return err
	}
	if b.upstream, err = startUpstream(); err != nil {
		return err
	}
	if b.issuer, err = startIssuer(); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() {
		<-ctx.Done()
		b.stopServers() // the measure under way then fails, and the run ends by itself
	}()

	var failed []error
	for _, m := range measures {
		if ctx.Err() != nil || !o.only.MatchString(m.name) {
			continue
		}
		b.progress("%s: %s", m.name, m.about)
		if err := m.run(b); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", m.name, err))
			b.progress("%s could not be measured: %v", m.name, err)
		}
	}
	b.report.summary()
	path := filepath.Join(filepath.Dir(dir), "bench.json")
	if err := b.report.write(path); err != nil {
		return err
	}
	b.progress("done, %d results in %s", len(b.report.results), path)
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	return errors.Join(failed...)
}

// progress tells the person who waits what happens; results go to standard output.
func (b *bench) progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "[%6.1fs] %s\n", time.Since(b.start).Seconds(), fmt.Sprintf(format, args...))
}

// blocks is how many blocks of rounds a measure plays.
func (b *bench) blocks(n int) int {
	if b.quick {
		return 3
	}
	return n
}

// play runs a duel, with profiles where they are asked for.
func (b *bench) play(d duel) (o outcome, err error) {
	d.blocks = b.blocks(d.blocks)
	if !b.profile {
		return d.run()
	}
	err = b.profiled(d.base, d.test, d.lasts(), func() error {
		o, err = d.run()
		return err
	})
	return o, err
}

func (b *bench) stopServers() {
	for _, s := range b.servers {
		s.stop()
	}
}

func (b *bench) close() {
	b.stopServers()
	if b.upstream != nil {
		b.upstream.close()
	}
	if b.issuer != nil {
		b.issuer.close()
	}
	_ = os.RemoveAll(b.runs) // at worst it stays below bin/
}

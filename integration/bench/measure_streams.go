package main

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// streamRound is a way to open streams and to have their tokens end.
type streamRound struct {
	name    string // of its rows
	path    string
	streams int
	// begin gets the tokens, and a way to have them end that says when the last request for it was sent.
	begin func(b *bench, a *authority, streams int) (tokens []string, end func() (time.Time, error), err error)
}

// Where there are many streams they say nothing, as most do most of the time: what is measured is how they end.
var streamRounds = []streamRound{
	{"gate.streams", "/events", 1000, eachRevoked(100, 1)},
	{"gate.streams.10000", "/quiet", 10_000, eachRevoked(100, 16)},
	{"gate.streams.one_token", "/quiet", 10_000, eachRevoked(1, 1)},
	{"gate.streams.session", "/quiet", 10_000, sessionEnded},
}

// gateStreams opens event streams through a gate, has all of their tokens end, and waits until the last stream is closed.
func (b *bench) gateStreams() error {
	api, err := startStreamAPI()
	if err != nil {
		return err
	}
	defer api.close()
	behind := fmt.Sprintf("\treverse_proxy h2c://%s\n", api.addr)
	a, err := b.authorityBefore(sqliteLines(filepath.Join(b.runs, "streams")), rsaEnvironment, behind)
	if err != nil {
		return err
	}
	if err := b.run(a, "streams"); err != nil {
		return err
	}
	defer a.stop()
	var from byte // addresses that have been used, see open
	for _, r := range streamRounds {
		if err := b.streamRound(a, r, &from); err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
	}
	return b.streamMemory(a, behind, &from)
}

// streamRound reports the medians of a few rounds: when the last stream has ended, and which share of them has within a
// tenth of a second. Both count from the moment when the last revocation is asked for.
func (b *bench) streamRound(a *authority, r streamRound, from *byte) error {
	if b.quick {
		r.streams = min(r.streams, 2000)
	}
	if limit := openFiles(); r.streams > limit-reserved {
		b.report.add(missing(r.name+".last_end", "s", fmt.Sprintf("a process may have only %d files open", limit)))
		return nil
	}
	var last, soon []float64
	for range b.blocks(4) {
		tokens, end, err := r.begin(b, a, r.streams)
		if err != nil {
			return err
		}
		*from++
		o, err := open(a.gate, r.path, tokens, r.streams, *from)
		if err != nil {
			return err
		}
		time.Sleep(300 * time.Millisecond) // what opening them has left to do
		var lags []time.Duration
		since, err := end()
		if err == nil {
			lags, err = o.lags(since)
		}
		o.close()
		if err != nil {
			return err
		}
		last, soon = append(last, lags[len(lags)-1].Seconds()), append(soon, shareWithin(lags, 100*time.Millisecond))
	}
	b.report.add(value(r.name+".last_end", median(last), "s").target(atMost, 1), value(r.name+".within_100ms", median(soon), "of streams"))
	return nil
}

// reserved is how many descriptors a process needs for other things than clients.
const reserved = 500

// shareWithin is how many of the sorted lags are within d.
func shareWithin(lags []time.Duration, d time.Duration) float64 {
	n, _ := slices.BinarySearch(lags, d+1)
	return float64(n) / float64(len(lags))
}

// eachRevoked has streams share a number of tokens, of which so many are revoked at a time.
func eachRevoked(n, atOnce int) func(*bench, *authority, int) ([]string, func() (time.Time, error), error) {
	return func(_ *bench, a *authority, _ int) ([]string, func() (time.Time, error), error) {
		tokens, err := a.issue(rsaEnvironment, n)
		if err != nil {
			return nil, nil, err
		}
		return tokens, func() (time.Time, error) {
			var wait sync.WaitGroup
			sent, errs := make([]time.Time, atOnce), make([]error, atOnce)
			for w := range atOnce {
				wait.Go(func() {
					for i := w; i < n && errs[w] == nil; i += atOnce {
						sent[w] = time.Now()
						if status, body, err := ask(a.addr, a.revocationRequest(rsaEnvironment, tokens[i])); err != nil || status != http.StatusOK {
							errs[w] = fmt.Errorf("revocation %d: status %d %.200s %w", i, status, body, err)
						}
					}
				})
			}
			wait.Wait()
			return slices.MaxFunc(sent, time.Time.Compare), errors.Join(errs...)
		}, nil
	}
}

// sessionEnded gives each stream a token of its own, all of them from one person's session, and has an administrator end that.
func sessionEnded(b *bench, a *authority, streams int) ([]string, func() (time.Time, error), error) {
	first := &person{authority: a, transport: &http.Transport{MaxIdleConnsPerHost: people}, scope: "openid " + tokenScope}
	if err := first.passwordFlow(); err != nil {
		return nil, nil, err
	}
	b.progress("%d tokens of one session", streams)
	var wait sync.WaitGroup
	tokens, errs := make([]string, streams), make([]error, people)
	for w := range people {
		wait.Go(func() {
			p := *first // the same browser
			if errs[w] = p.codeFlow(); errs[w] != nil {
				return
			}
			for i := w; i < streams && errs[w] == nil; i += people {
				tokens[i], errs[w] = p.access, p.refresh()
			}
		})
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, nil, err
	}
	admin, err := a.administers(rsaEnvironment)
	if err != nil {
		return nil, nil, err
	}
	var found struct {
		Embedded struct {
			Users []struct {
				ID       string `json:"id"`
				Username string `json:"username"`
			} `json:"users"`
		} `json:"_embedded"`
	}
	if err := admin.do(http.MethodGet, admin.path("/users", nil), nil, &found, http.StatusOK); err != nil {
		return nil, nil, err
	}
	for _, u := range found.Embedded.Users {
		if u.Username == webUser {
			return tokens, func() (time.Time, error) {
				sent := time.Now()
				return sent, admin.do(http.MethodDelete, admin.path("/users/"+u.ID+"/sessions", nil), nil, nil, http.StatusNoContent)
			}, nil
		}
	}
	return nil, nil, errors.New("the user is not among the users")
}

// streamMemory reports what an open stream holds in the server, with a gate that watches it and without any.
func (b *bench) streamMemory(a *authority, behind string, from *byte) error {
	bare, addr, err := b.serveSite("streams-bare", b.bin.gatehouse, behind)
	if err != nil {
		return err
	}
	defer bare.stop()
	tokens, err := a.issue(rsaEnvironment, 1)
	if err != nil {
		return err
	}
	streams := min(10_000, openFiles()-reserved)
	if b.quick {
		streams = min(2000, streams)
	}
	hold := func(s *server, addr string) (float64, error) {
		*from++
		o, err := open(addr, "/quiet", tokens, streams, *from)
		if err != nil {
			return 0, err
		}
		defer o.close()
		time.Sleep(300 * time.Millisecond)
		return s.inUse()
	}
	held := func(s *server, addr string) (float64, error) {
		// What the first ones leave behind, pools and goroutines, the next ones use.
		if _, err := hold(s, addr); err != nil {
			return 0, err
		}
		time.Sleep(2 * time.Second)
		before, err := s.inUse()
		if err != nil {
			return 0, err
		}
		with, err := hold(s, addr)
		return (with - before) / float64(streams) / 1024, err
	}
	watched, err := held(a.server, a.gate)
	if err != nil {
		return err
	}
	unwatched, err := held(bare, addr)
	if err != nil {
		return err
	}
	b.report.add(value("gate.streams.memory", watched, "KiB a stream").to("the same Caddy without a gate", unwatched, watched/unwatched))
	return nil
}

// inUse is the memory of a server's heap and stacks that is in use after garbage collections, in bytes: the first one leaves what pools hold
// to the second.
func (s *server) inUse() (float64, error) {
	var resp *http.Response
	for range 2 {
		var err error
		if resp, err = http.Get("http://" + s.admin + "/debug/pprof/heap?gc=1&debug=1"); err != nil {
			return 0, err
		}
		defer resp.Body.Close()
	}
	sum, found := 0.0, 0
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		for _, name := range []string{"# HeapAlloc = ", "# Stack = "} {
			if rest, ok := strings.CutPrefix(lines.Text(), name); ok {
				number, _, _ := strings.Cut(rest, " ")
				n, err := strconv.ParseFloat(number, 64)
				if err != nil {
					return 0, err
				}
				sum, found = sum+n, found+1
			}
		}
	}
	if found != 2 {
		return 0, fmt.Errorf("profile of the heap of %s: status %s, without its sums", s.name, resp.Status)
	}
	return sum, nil
}

package main

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
)

// How much the management API has to deal with; a tenth with -quick, but for applications.
const (
	managedUsers        = 1_000_000
	managedApplications = 10_000
	importedUsers       = 100_000
	// importedApplications are those of managedApplications that are made by an import.
	importedApplications = 1000
)

// managers is how many administrators look at pages at a time: each answer waits for the other's, as the
// server has one core.
const managers = 2

// managed is the management API measured on one store.
type managed struct {
	*bench
	*authority
	admin    *administrator // of the environment in which everything is, see ecEnvironment
	database *database
	users    int
	sheet    *sheet
}

// managing measures the management API on each store: pages, the import, and what
// stored applications cost the protocols.
func (b *bench) managing() error { return b.onEach("managing", managingRows, b.managingOn) }

func (b *bench) managingOn(d *database, s *sheet) error {
	m := &managed{bench: b, database: d, users: b.some(managedUsers), sheet: s}
	b.progress("storing %d users on %s", m.users, d.name)
	err := b.place.spread(func() error {
		return errors.Join(d.preloadPeople(ecEnvironment, m.users),
			d.preloadApplications(ecEnvironment, importedApplications, managedApplications-importedApplications))
	})
	if err != nil {
		return err
	}
	if m.authority, err = b.authorityOn(d.storage, ecEnvironment); err != nil {
		return err
	}
	if err := b.run(m.authority, "managing-"+d.name); err != nil {
		return err
	}
	defer m.stop()
	if m.admin, err = m.administers(ecEnvironment); err != nil {
		return err
	}
	for _, part := range []func() error{m.importObjects, m.pages, m.imports, m.tokens} {
		if err := part(); err != nil {
			return err
		}
	}
	return nil
}

// some is n, or with -quick a tenth.
func (b *bench) some(n int) int {
	if b.quick {
		return n / 10
	}
	return n
}

// importObjects makes some applications by an import, and the population of those users who are not in
// the default one.
func (m *managed) importObjects() error {
	if _, err := m.admin.imports(exportFile(ecEnvironment, false, 1, populationLine), m.told("populations", 1)); err != nil {
		return err
	}
	begin := time.Now()
	n, err := m.admin.imports(exportFile(ecEnvironment, false, importedApplications, applicationLine), m.told("applications", importedApplications))
	if err != nil {
		return err
	}
	if n != importedApplications {
		return fmt.Errorf("the import made %d applications, want %d", n, importedApplications)
	}
	m.sheet.set("applications.import.rate", float64(n)/time.Since(begin).Seconds())
	return nil
}

// told tells of the progress of an import every other second.
func (m *managed) told(what string, of int) func(importProgress) {
	last := time.Now()
	return func(p importProgress) {
		if time.Since(last) > 2*time.Second {
			last = time.Now()
			m.progress("%s: %d of %d %s imported", m.database.name, p.Created, of, what)
		}
	}
}

// collection is pages that are asked for again and again.
type collection struct {
	name  string
	paths []string
	size  int // that every page has

	visitors *visitors
	rounds   []pageRound
}

// pageRound is what one round of a collection gave.
type pageRound struct {
	sample
	p50 float64 // milliseconds
}

// calmestRounds keeps the n rounds in which the server was held up least, and looks at
// nothing else, as outcome.calmest does.
func calmestRounds(rounds []pageRound, n int) []pageRound {
	sorted := slices.Clone(rounds)
	slices.SortStableFunc(sorted, func(a, b pageRound) int { return cmp.Compare(a.heldUp, b.heldUp) })
	return sorted[:min(n, len(sorted))]
}

// medianOf is that of one number of each round.
func medianOf(rounds []pageRound, field func(pageRound) float64) float64 {
	values := make([]float64, len(rounds))
	for i, r := range rounds {
		values[i] = field(r)
	}
	return median(values)
}

// filters are those that pages of users are asked for with; each %[1]s stands for
// digits that are drawn anew for each request, five of the seven that usernames
// have (six less than a million), so that no two requests find the same users.
func (m *managed) filters() []*collection {
	const page = 100
	draw := rand.New(rand.NewPCG(4, 0)) // the same in every run
	digits := func() string { return fmt.Sprintf("%07d", draw.IntN(m.users/page)*page)[:5] }
	family := func() string { return fmt.Sprintf("%02d", draw.IntN(familyNames/10)) }
	var list []*collection
	for _, c := range []struct {
		name   string
		size   int
		filter func() string
	}{
		{"username", page, func() string { return fmt.Sprintf("username sw \"user%s\"", digits()) }},
		{"email", 1, func() string { return fmt.Sprintf("email eq \"USER%s42%s\"", digits(), mailDomain) }},
		{"population", page, func() string { return fmt.Sprintf("population.id eq %q", somePopulation) }},
		{"family", page, func() string { return fmt.Sprintf("name.family sw \"family%s\" and enabled eq true", family()) }},
		{"either", page, func() string {
			return fmt.Sprintf("(username sw \"user%s\" and enabled eq true) or email sw \"user%s\"", digits(), digits())
		}},
	} {
		one := &collection{name: "users." + c.name, size: c.size}
		for range 50 {
			one.paths = append(one.paths, m.admin.path("/users", filtered(c.filter(), page)))
		}
		list = append(list, one)
	}
	return list
}

// pages measures pages of users and of applications, and that memory stays as it is.
func (m *managed) pages() error {
	list := m.filters()
	first := &collection{name: "applications.first", size: 100, paths: []string{m.admin.path("/applications", url.Values{"limit": {"100"}})}}
	list = append(list, first)
	before, err := residentBytes(m.pid())
	if err != nil {
		return err
	}
	everybody := m.admin.path("/users", filtered(fmt.Sprintf("population.id eq %q", directory.FirstPopulation(ecEnvironment)), 100))
	for _, deep := range []struct {
		name, path string
		pages      int
	}{
		{"users.deep", everybody, m.some(500)},
		{"applications.deep", first.paths[0], managedApplications/100 - 1},
	} {
		paths, err := m.walk(deep.path, deep.pages)
		if err != nil {
			return err
		}
		list = append(list, &collection{name: deep.name, size: 100, paths: paths[max(0, len(paths)-20):]})
	}
	if err := m.rare(); err != nil {
		return err
	}
	for _, c := range list {
		var requests [][]byte
		for _, path := range c.paths {
			p, err := m.admin.read(path)
			if err != nil {
				return err
			}
			if p.size != c.size {
				return fmt.Errorf("%s has %d, want %d", path, p.size, c.size)
			}
			requests = append(requests, m.admin.get(path))
		}
		c.visitors = newVisitors(m.server, m.addr, managers, requests...)
		defer c.visitors.close()
	}
	if err := m.rounds("managing", list); err != nil {
		return err
	}
	after, err := residentBytes(m.pid())
	if err != nil {
		return err
	}
	m.sheet.set("memory", (after-before)/(1<<20))
	return nil
}

// rounds plays all collections in turn, half as often again where others use the server's core, too.
func (m *managed) rounds(measure string, list []*collection) error {
	const warm, window = 50 * time.Millisecond, 400 * time.Millisecond
	blocks := m.blocks(6)
	play := func() error {
		for played, undisturbed := 0, 0; undisturbed < blocks && played < blocks*3/2; played++ {
			most := 0.0
			for _, c := range list {
				s, err := c.visitors.round(warm, window)
				if err != nil {
					return fmt.Errorf("%s: %w", c.name, err)
				}
				r := pageRound{sample: s.sample()} // which sorts the latencies
				r.p50 = percentile(s.micros, 0.5)
				c.rounds, most = append(c.rounds, r), max(most, r.heldUp)
			}
			if most <= calm {
				undisturbed++
			}
		}
		return nil
	}
	if err := m.whileProfiled(m.server, measure+"-"+m.database.name, time.Duration(blocks*len(list))*(warm+window), play); err != nil {
		return err
	}
	for _, c := range list {
		kept := calmestRounds(c.rounds, blocks)
		m.sheet.set(c.name+".p50", medianOf(kept, func(r pageRound) float64 { return r.p50 }))
		m.sheet.set(c.name+".p99", medianOf(kept, func(r pageRound) float64 { return r.p99 }))
		m.sheet.set(c.name+".rate", medianOf(kept, func(r pageRound) float64 { return r.rate }))
	}
	return nil
}

// walk follows the links from page to page and gives the addresses of those behind the first.
func (m *managed) walk(path string, pages int) (paths []string, err error) {
	for range pages {
		p, err := m.admin.read(path)
		if err != nil {
			return nil, err
		}
		if p.next == "" {
			return nil, fmt.Errorf("%s ends after %d pages, want more than %d", path, len(paths)+1, pages)
		}
		path = p.next
		paths = append(paths, path)
	}
	return paths, nil
}

// rare collects the few users for whom the part of a filter holds that no index
// knows, from page to page to the end: each looks at a bounded number of users.
func (m *managed) rare() error {
	filter := fmt.Sprintf("population.id eq %q and email co \"777\"", somePopulation)
	var micros []uint32
	requests, found := 0, 0
	begin := time.Now()
	for path := m.admin.path("/users", filtered(filter, 100)); path != ""; requests++ {
		sent := time.Now()
		p, err := m.admin.read(path)
		if err != nil {
			return err
		}
		micros = append(micros, uint32(time.Since(sent).Microseconds()))
		path, found = p.next, found+p.size
	}
	if found == 0 {
		return fmt.Errorf("%s finds nobody", filter)
	}
	lasted := time.Since(begin)
	m.sheet.set("users.rare.requests", float64(requests))
	m.sheet.set("users.rare.found", float64(found))
	m.sheet.set("users.rare.time", lasted.Seconds())
	slices.Sort(micros)
	m.sheet.set("users.rare.p50", percentile(micros, 0.5))
	m.sheet.set("users.rare.p99", percentile(micros, 0.99))
	return nil
}

// imports measures the import of users into the environment that has so many already.
func (m *managed) imports() error {
	n := m.some(importedUsers)
	before, err := residentBytes(m.pid())
	if err != nil {
		return err
	}
	peak := watchMemory(m.pid())
	begin := time.Now()
	var created int
	err = m.whileProfiled(m.server, "import-"+m.database.name, time.Duration(m.some(10))*time.Second, func() error {
		created, err = m.admin.imports(exportFile(ecEnvironment, true, n, personLine), m.told("users", n))
		return err
	})
	lasted := time.Since(begin)
	most := peak()
	if err != nil {
		return err
	}
	if created != n {
		return fmt.Errorf("the import made %d users, want %d", created, n)
	}
	p, err := m.admin.read(m.admin.path("/users", filtered(fmt.Sprintf("username eq \"import%07d\"", n-1), 100)))
	if err != nil || p.size != 1 {
		return fmt.Errorf("the last user of the import: %d are found: %w", p.size, err)
	}
	m.sheet.set("import.rate", float64(n)/lasted.Seconds())
	m.sheet.set("import.memory", (most-before)/(1<<20))
	return nil
}

// tokens compares an application that was made through the API with a declared one, at
// the token endpoint and at a gate.
func (m *managed) tokens() error {
	made, err := m.admin.makeWorker("Made worker")
	if err != nil {
		return err
	}
	const against = "a declared application"
	requests := [2][]byte{m.tokenRequest(ecEnvironment), made.tokenRequest(m.authority, ecEnvironment)}
	var ends [2]*visitors
	var gates [2]*served
	for i, request := range requests {
		token, err := m.issueOne(request)
		if err != nil {
			return err
		}
		if _, err := m.answers(m.gate, get(m.gate, "/", token), http.StatusOK); err != nil {
			return err
		}
		ends[i] = newVisitors(m.server, m.addr, ecConns, request)
		defer ends[i].close()
		gates[i] = m.target(m.server, m.gate, gateConns, http.StatusOK, get(m.gate, "/", token))
		defer gates[i].load.close()
	}
	o, err := m.play(patiently(ends[0], ends[1], 8))
	if err != nil {
		return err
	}
	m.sheet.compare("token.es256.rate", requestRate("", o, against))
	m.sheet.compare("token.es256.cpu", cpu("", o, against))
	if o, err = m.play(quickly(gates[0], gates[1], 8)); err != nil {
		return err
	}
	m.sheet.compare("gate.rate", requestRate("", o, against))
	m.sheet.compare("gate.cpu", cpu("", o, against))
	return nil
}

// whileProfiled plays, and with -profile takes the server's profile meanwhile.
func (b *bench) whileProfiled(s *server, name string, lasts time.Duration, play func() error) error {
	if !b.profile {
		return play()
	}
	b.profiles++
	path := filepath.Join(b.dir, "profiles", fmt.Sprintf("%02d-%s.pprof", b.profiles, name))
	done := make(chan error, 1)
	go func() { done <- s.profile(path, lasts) }()
	err := play()
	if e := <-done; err == nil {
		err = e
	}
	return err
}

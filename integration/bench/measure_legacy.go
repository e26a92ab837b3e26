package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
)

const (
	// One of the million access tokens in ten belongs to its own person, see preloadTokens.
	legacyTokens = 1_000_000

	legacyAdministrator = "bench-amadmin"
	legacyPassword      = "bench-amadmin-password"
	legacyCookie        = "iPlanetDirectoryPro"

	// The realm is the environment of people and tokens.
	legacyLines = `		legacy {
			url http://$ADDR/am
			realm alpha ec
			administrator ` + legacyAdministrator + " " + legacyPassword + `
		}
`
)

// legacy measures on each store what scripts of the legacy endpoints do among a million live tokens.
func (b *bench) legacy() error { return b.onEach("legacy", legacyRows, b.legacyOn) }

func (b *bench) legacyOn(d *database, s *sheet) error {
	n := b.some(legacyTokens)
	people := (n - manyMore) / tokensEach
	b.progress("storing %d users and %d tokens on %s", people, n, d.name)
	err := b.place.spread(func() error {
		return errors.Join(d.preloadPeople(ecEnvironment, people), d.preloadTokens(ecEnvironment, n))
	})
	if err != nil {
		return err
	}
	m := &managed{bench: b, database: d, users: people, sheet: s}
	if m.authority, err = b.authorityOn(d.storage+legacyLines, ecEnvironment); err != nil {
		return err
	}
	if err := b.run(m.authority, "legacy-"+d.name); err != nil {
		return err
	}
	defer m.stop()
	issued, err := m.issue(ecEnvironment, 500)
	if err != nil {
		return err
	}
	if err := m.lists(issued); err != nil {
		return err
	}
	return m.tokenInfo(issued)
}

// lists measures what the administrator is told about tokens.
func (m *managed) lists(issued []string) error {
	sso, err := m.signOnAdministrator()
	if err != nil {
		return err
	}
	draw := rand.New(rand.NewPCG(5, 0)) // the same in every run
	list := []*collection{{name: "list", size: tokensEach + 1}, {name: "page", size: 100}, {name: "read", size: -1}}
	for range 500 {
		// Behind the person who has more, and never the tenth one, who is disabled.
		someone := draw.IntN(m.users/10)*10 + manyTokensOf + 1 + draw.IntN(8)
		list[0].paths = append(list[0].paths, tokensOf(someone, nil))
	}
	list[1].paths = []string{tokensOf(manyTokensOf, url.Values{"_pageSize": {"100"}})}
	for _, t := range issued {
		list[2].paths = append(list[2].paths, "/am/frrest/oauth2/token/"+t)
	}
	one := visitor{addr: m.addr}
	defer one.close()
	for _, c := range list {
		var requests [][]byte
		for _, path := range c.paths {
			request := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\n%s: %s\r\n\r\n", path, m.addr, legacyCookie, sso)
			body, err := one.ask(request, http.StatusOK)
			if err != nil {
				return fmt.Errorf("GET %.80s: %w", path, err)
			}
			var answer struct {
				Count  *int     `json:"resultCount"`
				Client []string `json:"clientID"`
			}
			if err := json.Unmarshal(body, &answer); err != nil {
				return err
			}
			switch {
			case c.size >= 0 && (answer.Count == nil || *answer.Count != c.size):
				return fmt.Errorf("%s does not list %d tokens: …%s", path, c.size, body[max(0, len(body)-200):])
			case c.size < 0 && (len(answer.Client) != 1 || answer.Client[0] != workerID):
				return fmt.Errorf("a token that was read is not the worker's: %.200s", body)
			}
			requests = append(requests, request)
		}
		c.visitors = newVisitors(m.server, m.addr, managers, requests...)
		defer c.visitors.close()
	}
	return m.rounds("legacy", list)
}

// tokensOf is the path that lists the tokens of a person of preloadPeople.
func tokensOf(person int, more url.Values) string {
	query := url.Values{"_queryId": {fmt.Sprintf("userName=user%07d,realm=/alpha", person)}}
	for name, values := range more {
		query[name] = values
	}
	return "/am/frrest/oauth2/token/?" + query.Encode()
}

// signOnAdministrator gives an SSO token.
func (m *managed) signOnAdministrator() (string, error) {
	one := visitor{addr: m.addr}
	defer one.close()
	body, err := one.ask(fmt.Appendf(nil, "POST /am/json/realms/root/authenticate HTTP/1.1\r\nHost: %s\r\nX-OpenAM-Username: %s\r\nX-OpenAM-Password: %s\r\n"+
		"Accept-API-Version: resource=2.0, protocol=1.0\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
		m.addr, legacyAdministrator, legacyPassword), http.StatusOK)
	if err != nil {
		return "", fmt.Errorf("sign on: %w", err)
	}
	var answer struct {
		Token string `json:"tokenId"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Token == "" {
		return "", fmt.Errorf("sign on: no SSO token: %w", err)
	}
	return answer.Token, nil
}

// tokenInfo compares tokeninfo with the introspection of the same tokens.
func (m *managed) tokenInfo(issued []string) error {
	var asked, told [][]byte
	for _, t := range issued {
		asked = append(asked, m.introspectionRequest(ecEnvironment, t))
		told = append(told, get(m.addr, "/am/oauth2/realms/root/realms/alpha/tokeninfo", t))
	}
	if _, err := mustBeActive(m.authority, asked[0]); err != nil {
		return err
	}
	base := m.target(m.server, m.addr, gateConns, http.StatusOK, asked...)
	test := m.target(m.server, m.addr, gateConns, http.StatusOK, told...)
	for _, side := range []*served{base, test} {
		defer side.load.close()
		if err := side.load.count(2 * len(issued)); err != nil {
			return err
		}
	}
	o, err := m.play(quickly(base, test, 6))
	if err != nil {
		return err
	}
	const against = "introspection"
	m.sheet.compare("tokeninfo.rate", requestRate("", o, against))
	m.sheet.compare("tokeninfo.cpu", cpu("", o, against))
	return nil
}

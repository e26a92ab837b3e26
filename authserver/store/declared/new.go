package declared

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const (
	defaultAPIAudience = "https://api.pingone.com"
	defaultRotation    = 90 * 24 * time.Hour
	defaultOverlap     = 24 * time.Hour
	// A key that was replaced stays published for as long as the longest token, 30
	// days: quicker rotation would publish more keys than verifiers care to read.
	minRotation = 24 * time.Hour
	// Verifiers read the key set anew within minutes (its max-age is less).
	minOverlap = 10 * time.Minute
)

// New checks c, fills in defaults and builds the directory. It reads the files
// that c names and nothing else. An error names the object and the option.
func New(c Config) (*Directory, error) {
	d := &Directory{byID: make(map[string]*environment, len(c.Environments)), byHost: map[string]*store.Environment{}}
	var err error
	if d.inherited, err = newInherited(&c); err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for i := range c.Environments {
		e := &c.Environments[i]
		label := e.Name
		if label == "" {
			label = fmt.Sprintf("#%d", i+1)
		}
		built, err := newEnvironment(e, &d.inherited)
		switch {
		case err != nil:
		case e.Name == "":
			err = fmt.Errorf("name is missing")
		case names[e.Name]:
			err = fmt.Errorf("name is declared twice")
		case d.byID[e.ID] != nil:
			err = fmt.Errorf("id %s is declared twice", e.ID)
		}
		if err != nil {
			return nil, fmt.Errorf("environment %s: %w", label, err)
		}
		for _, domain := range built.record.Domains {
			if d.byHost[domain.Host] != nil {
				return nil, fmt.Errorf("environment %s: domain %s is declared twice", label, domain.Host)
			}
			d.byHost[domain.Host] = built.record.At(domain)
		}
		names[e.Name] = true
		d.byID[e.ID] = built
		d.list = append(d.list, built.record)
	}
	if err := d.checkIssuers(); err != nil {
		return nil, err
	}
	if err := d.checkDomains(); err != nil {
		return nil, err
	}
	return d, nil
}

// checkIssuers wants each issuer to speak for one environment: a token names nothing else.
func (d *Directory) checkIssuers() error {
	of := map[string]string{}
	for _, e := range d.list {
		for _, issuer := range e.Issuers() {
			if other, ok := of[issuer]; ok {
				return fmt.Errorf("environment %s: issuer %q is one of environment %s", e.Name, issuer, other)
			}
			of[issuer] = e.Name
		}
	}
	return nil
}

// checkDomains wants a host of its own for each custom domain. Its session
// cookie is for the whole host, whatever the port, and would go along with that of
// an environment below a path there; who gets two cookies of one name believes
// neither.
func (d *Directory) checkDomains() error {
	issuers := map[string]string{}
	for _, e := range d.list {
		if u, err := url.Parse(e.Issuer); err == nil {
			issuers[strings.ToLower(u.Hostname())] = e.Name
		}
	}
	for _, e := range d.list {
		for _, domain := range e.Domains {
			u, err := url.Parse(domain.Issuer)
			if err != nil {
				return fmt.Errorf("environment %s: domain %s: %w", e.Name, domain.Host, err)
			}
			if other, ok := issuers[u.Hostname()]; ok {
				return fmt.Errorf("environment %s: domain %s is the host of the issuer of environment %s: their cookies would get in each other's way", e.Name, domain.Host, other)
			}
		}
	}
	return nil
}

func newEnvironment(c *Environment, all *inherited) (*environment, error) {
	record, err := environmentRecord(c)
	if err != nil {
		return nil, err
	}
	all.to(record)
	e := &environment{
		record:    record,
		clients:   make(map[string]*store.Client, len(c.Applications)),
		resources: make(map[string]*store.Resource, len(c.Resources)),
		users:     make(map[string]*store.User, len(c.Users)),
		folded:    make(map[string]*store.User, len(c.Users)),
		where:     map[place]string{{store.KindEnvironment, c.ID}: c.DeclaredAt},
	}
	if err := e.addResources(c.Resources); err != nil {
		return nil, err
	}
	if err := e.setRegistrationScopes(); err != nil {
		return nil, fmt.Errorf("client_registration: %w", err)
	}
	if err := e.addApplications(c.Applications); err != nil {
		return nil, err
	}
	return e, e.addUsers(c.Users)
}

func environmentRecord(c *Environment) (*store.Environment, error) {
	record := &store.Environment{
		ID: c.ID, Name: c.Name, Issuer: c.Issuer,
		Organization:     or(c.Organization, c.ID),
		APIAudience:      or(c.APIAudience, defaultAPIAudience),
		SigningAlgorithm: or(c.SigningAlgorithm, "RS256"),
		KeyRotation:      time.Duration(c.KeyRotation),
		KeyOverlap:       time.Duration(c.KeyOverlap),
	}
	if !secret.IsID(c.ID) {
		return nil, fmt.Errorf("id %q is not a lower-case UUID", c.ID)
	}
	if err := checkIssuer(c.Issuer, "/"+c.ID+"/as"); err != nil {
		return nil, fmt.Errorf("issuer %w", err)
	}
	if !secret.IsID(record.Organization) {
		return nil, fmt.Errorf("organization %q is not a lower-case UUID", c.Organization)
	}
	switch record.SigningAlgorithm {
	case "RS256", "PS256", "ES256", "EdDSA":
	default:
		return nil, fmt.Errorf("signing_algorithm %q is none of RS256, PS256, ES256, EdDSA", c.SigningAlgorithm)
	}
	switch c.AccessTokenType {
	case "", oauth.TypeAccessToken:
		record.AccessTokenType = oauth.TypeAccessToken
	case "JWT":
		record.AccessTokenType = "JWT"
	case "none":
	default:
		return nil, fmt.Errorf("access_token_type %q is none of at+jwt, JWT, none", c.AccessTokenType)
	}
	format, err := accessTokenFormat(c.AccessTokenFormat)
	if err != nil {
		return nil, err
	}
	record.OpaqueTokens = format == store.FormatOpaque
	if err := setRotation(record); err != nil {
		return nil, err
	}
	if err := setSignOn(record, c); err != nil {
		return nil, err
	}
	if err := setIssuers(record, c.Issuers); err != nil {
		return nil, err
	}
	if err := setPossession(record, c); err != nil {
		return nil, err
	}
	return record, setCompat(record, c.Compat)
}

func setRotation(e *store.Environment) error {
	if e.KeyRotation == 0 {
		e.KeyRotation = defaultRotation
	}
	if e.KeyRotation < minRotation {
		return fmt.Errorf("key_rotation %v is less than %v", e.KeyRotation, minRotation)
	}
	if e.KeyOverlap == 0 {
		e.KeyOverlap = min(defaultOverlap, e.KeyRotation/2)
	}
	if e.KeyOverlap < minOverlap || e.KeyOverlap > e.KeyRotation/2 {
		return fmt.Errorf("key_overlap %v is outside %v to %v, half of key_rotation", e.KeyOverlap, minOverlap, e.KeyRotation/2)
	}
	return nil
}

// setIssuers adds the issuers that the environment has beside its own and those of its domains.
func setIssuers(e *store.Environment, issuers []string) error {
	for _, raw := range issuers {
		if err := checkIssuer(raw, ""); err != nil {
			return fmt.Errorf("issuers: %w", err)
		}
		if slices.Contains(e.Issuers(), raw) {
			return fmt.Errorf("issuers: %q is the environment's already", raw)
		}
		if rest, ok := strings.CutSuffix(raw, "/as"); ok && secret.IsID(rest[strings.LastIndexByte(rest, '/')+1:]) {
			// It is what an environment with this ID has for its own, and one may be made any time.
			return fmt.Errorf("issuers: %q is how environments' own issuers are written", raw)
		}
		if e.AllIssuers == nil {
			e.AllIssuers = []string{e.Issuer}
		}
		e.AllIssuers = append(e.AllIssuers, raw)
	}
	return nil
}

func setCompat(e *store.Environment, names []string) error {
	for _, name := range names {
		switch name {
		case "unrevocable_client_credentials":
			e.Compat.UnrevocableClientCredentials = true
		case "assertion_audience_endpoint":
			e.Compat.AssertionAudienceEndpoint = true
		case "assertion_replay":
			e.Compat.AssertionReplay = true
		case "token_exchange_scopes":
			e.Compat.TokenExchangeScopes = true
		default:
			return fmt.Errorf("compat %q is none of unrevocable_client_credentials, assertion_audience_endpoint, assertion_replay, token_exchange_scopes", name)
		}
	}
	return nil
}

func (e *environment) addUsers(users []User) error {
	ids := map[string]bool{}
	for _, u := range users {
		id := u.ID
		if id == "" {
			id = derivedID(e.record.ID, u.Username)
		}
		var err error
		switch {
		case u.Username == "":
			err = fmt.Errorf("username is missing")
		case e.users[u.Username] != nil:
			err = fmt.Errorf("username is declared twice")
		case e.folded[store.FoldUsername(u.Username)] != nil:
			err = fmt.Errorf("username is declared twice, in two spellings")
		case !secret.IsID(id):
			err = fmt.Errorf("id %q is not a lower-case UUID", id)
		case ids[id]:
			err = fmt.Errorf("id %s is declared twice", id)
		}
		if err != nil {
			return fmt.Errorf("user %q: %w", u.Username, err)
		}
		ids[id] = true
		user := &store.User{
			Environment: e.record.ID, ID: id, Username: u.Username, Password: u.Password, Claims: u.Claims,
			Declared: true, Verified: true, Disabled: u.Disabled,
		}
		e.users[u.Username], e.folded[store.FoldUsername(u.Username)] = user, user
		e.where[place{store.KindUser, id}] = u.DeclaredAt
	}
	return nil
}

func or(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

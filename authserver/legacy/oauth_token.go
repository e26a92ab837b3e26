package legacy

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/grant"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// home is one environment that tokens are looked for in, as a realm sees it.
type home struct {
	realm *realm
	env   *store.Environment
	// whole: of every realm that the environment is, realm being the first of them.
	whole bool
}

// seat is the home of a token with an iss: false for one of another realm that is the same environment. Of the
// environment's own issuer they are every realm's.
func (l *Legacy) seat(h home, issuer string) (home, bool) {
	if issuer == "" || issuer == h.realm.issuer {
		return h, true
	}
	for _, r := range l.realms {
		if r.issuer == issuer && r.environment == h.env.ID {
			if !h.whole {
				return h, false
			}
			h.realm = r
		}
	}
	return h, true
}

// oauthToken is one access or refresh token that works.
type oauthToken struct {
	home
	record *token.Record // of an access token
	held   *token.Held   // of a refresh token
	client *store.Client
}

// The values of tokenName.
const (
	accessTokenName  = "access_token"
	refreshTokenName = "refresh_token"
)

func (t *oauthToken) name() string {
	if t.record != nil {
		return accessTokenName
	}
	return refreshTokenName
}

// subject is whose token it is; "" for a token of client credentials.
func (t *oauthToken) subject() string {
	if t.record != nil {
		return t.record.Subject
	}
	return t.held.Authorization.On.Subject
}

// userName is what AM calls the resource owner: the ID of the person, or the client itself.
func (t *oauthToken) userName() string {
	if s := t.subject(); s != "" {
		return s
	}
	return t.client.ID
}

// grant is the ID of the authorization that it came of, which is its refresh tokens' as well; "" where there is none.
func (t *oauthToken) grant() string {
	if t.record != nil {
		return t.record.Grant
	}
	return t.held.Authorization.Grant
}

func (t *oauthToken) session() string {
	if t.record != nil {
		return t.record.Session
	}
	return t.held.Authorization.On.Session
}

// handle names it without being a credential: it opens nothing but what its
// caller may see anyway.
func (t *oauthToken) handle() string {
	if t.record != nil {
		return t.record.Handle()
	}
	return t.held.Authorization.Grant
}

// id orders the tokens of one kind, as stores do.
func (t *oauthToken) id() string {
	if t.record != nil {
		return t.record.ID
	}
	return t.held.Authorization.Grant
}

func (t *oauthToken) scope() []string {
	if t.record != nil {
		return strings.Fields(t.record.Scope)
	}
	return t.held.Authorization.Scope
}

func (t *oauthToken) expires() time.Time {
	if t.record != nil {
		return t.record.ExpiresAt
	}
	return t.held.ExpiresAt
}

func (t *oauthToken) grantType() string {
	switch {
	case t.record == nil:
		return oauth.GrantAuthorizationCode // no other one has refresh tokens
	case t.record.GrantType == "":
		return oauth.GrantClientCredentials
	}
	return t.record.GrantType
}

func (t *oauthToken) redirectURI() string {
	if t.record != nil {
		return t.record.RedirectURI
	}
	return t.held.Authorization.RedirectURI
}

func (t *oauthToken) nonce() string {
	if t.record != nil {
		return t.record.Nonce
	}
	return t.held.Authorization.Nonce
}

// authTime is when the person signed on, in seconds; 0 where no one did.
func (t *oauthToken) authTime() int64 {
	switch {
	case t.record != nil:
		return t.record.AuthTime
	case t.held.Authorization.On.AuthTime.IsZero():
		return 0
	}
	return t.held.Authorization.On.AuthTime.Unix()
}

func (t *oauthToken) acr() string {
	if t.record != nil {
		return t.record.ACR
	}
	return t.held.Authorization.On.ACR
}

func (t *oauthToken) amr() []string {
	if t.record != nil {
		return t.record.AMR
	}
	return t.held.Authorization.On.AMR
}

// parent is what an access token came of: its authorization, since codes are kept by no one. A refresh token is
// the authorization itself, and a client's own token came of nothing.
func (t *oauthToken) parent() string {
	if t.record != nil {
		return t.record.Grant
	}
	return ""
}

// lookup finds tokens, and remembers for one request what several of them have in common.
type lookup struct {
	c       *call
	people  *people
	clients map[string]*store.Client // by environment and ID; nil: gone
	refresh map[string]*token.Held   // by environment and family; nil: none that works
	whole   map[string]bool          // by environment and person: refresh has all of theirs
}

func (c *call) lookup() *lookup {
	return &lookup{
		c: c, people: newPeople(c), clients: map[string]*store.Client{}, refresh: map[string]*token.Held{}, whole: map[string]bool{},
	}
}

// maxText bounds what is looked for: the longest token that is read.
const maxText = 16 << 10

// token finds the token that a text stands for in one home: a JWT, an opaque access token, a refresh token or the
// handle of any of them. store.ErrNotFound: there is none that works, as introspection would say.
func (f *lookup) token(h home, text string) (*oauthToken, error) {
	ctx, l := f.c.r.Context(), f.c.l
	if text == "" || len(text) > maxText {
		return nil, store.ErrNotFound
	}
	if id, expires, ok := token.ParseHandle(text); ok {
		record, err := l.Records.ByID(ctx, h.env, id, expires)
		if err != nil {
			return nil, cannotTell("find access token", err)
		}
		return f.access(h, record)
	}
	if strings.Contains(text, ".") || token.IsOpaque(text) {
		active, err := l.Tokens.Verify(ctx, h.env, text)
		if errors.Is(err, token.ErrInactive) {
			return nil, store.ErrNotFound
		}
		if err != nil {
			return nil, err
		}
		record, err := l.Records.ByID(ctx, h.env, active.ID(), active.ExpiresAt)
		if err != nil {
			return nil, cannotTell("find access token", err)
		}
		return f.access(h, record)
	}
	held, err := l.Refresh.Find(ctx, h.env, secret.Of(text))
	if err == nil {
		return f.family(h, &held)
	}
	if !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	found, err := f.byHandle(h, text)
	if err != nil {
		return nil, err
	}
	return f.family(h, found)
}

// cannotTell lets a caller act on store.ErrNotFound, and makes one answer of every other failure.
func cannotTell(what string, err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return store.ErrNotFound
	}
	if _, ok := errors.AsType[*oauth.Error](err); ok {
		return err
	}
	return oauth.CannotTell(what, err)
}

// byHandle finds the newest token of a family.
func (f *lookup) byHandle(h home, family string) (*token.Held, error) {
	list, err := f.c.l.Store.ListFamilies(f.c.r.Context(), store.FamilyFilter{Environment: h.env.ID, ID: family}, "", 1, f.c.l.Now())
	switch {
	case err != nil:
		return nil, oauth.CannotTell("find refresh token", err)
	case len(list) == 0:
		return nil, store.ErrNotFound
	}
	held, err := token.FamilyHeld(list[0])
	if err != nil {
		return nil, err
	}
	return &held, nil
}

// access is the token of a record, unless its client is gone.
func (f *lookup) access(h home, record *token.Record) (*oauthToken, error) {
	h, ok := f.c.l.seat(h, record.Issuer)
	if !ok {
		return nil, store.ErrNotFound
	}
	client, err := f.client(h, record.Client)
	if err != nil {
		return nil, err
	}
	return &oauthToken{home: h, record: record, client: client}, nil
}

// family is a refresh token, unless it does not work any more.
func (f *lookup) family(h home, held *token.Held) (*oauthToken, error) {
	a := &held.Authorization
	h, ok := f.c.l.seat(h, a.Issuer)
	if !ok || held.Spent || held.Ended {
		return nil, store.ErrNotFound
	}
	user, _, err := grant.Present(f.c.r.Context(), h.env, f.people.users(), f.people.sessions(), a.On.Subject, a.On.Session)
	if err != nil {
		return nil, err
	}
	if user == nil {
		return nil, store.ErrNotFound
	}
	client, err := f.client(h, a.Client)
	if err != nil {
		return nil, err
	}
	return &oauthToken{home: h, held: held, client: client}, nil
}

// client finds a token's client: store.ErrNotFound where it is gone.
func (f *lookup) client(h home, id string) (*store.Client, error) {
	k := key(h.env.ID, id)
	client, known := f.clients[k]
	if !known {
		var err error
		client, err = f.c.l.Directory.ClientByID(f.c.r.Context(), h.env.ID, id)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, oauth.CannotTell("find client", err)
		}
		if err != nil {
			client = nil
		}
		f.clients[k] = client
	}
	if client == nil {
		return nil, store.ErrNotFound
	}
	return client, nil
}

// refreshOf is the refresh token that an access token was issued with, or nil.
func (f *lookup) refreshOf(ctx context.Context, t *oauthToken) (*token.Held, error) {
	if t.record == nil {
		return t.held, nil
	}
	if t.record.Grant == "" || t.record.Subject == "" {
		return nil, nil
	}
	if err := f.preload(ctx, t.home, t.record.Subject); err != nil {
		return nil, err
	}
	k := key(t.env.ID, t.record.Grant)
	held, known := f.refresh[k]
	if known || f.whole[key(t.env.ID, t.record.Subject)] {
		return held, nil
	}
	held, err := f.byHandle(t.home, t.record.Grant)
	if err == nil {
		held, err = f.working(t.home, held)
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	f.refresh[k] = held
	return held, nil
}

// maxPreload is how many refresh tokens of one person are read at once.
const maxPreload = 1000

// preload reads a person's refresh tokens: almost everybody's are few.
func (f *lookup) preload(ctx context.Context, h home, subject string) error {
	k := key(h.env.ID, subject)
	if _, known := f.whole[k]; known {
		return nil
	}
	list, err := f.c.l.Store.ListFamilies(ctx, store.FamilyFilter{Environment: h.env.ID, Subject: subject}, "", maxPreload, f.c.l.Now())
	if err != nil {
		return oauth.CannotTell("list refresh tokens", err)
	}
	if len(list) > 1 {
		if err := f.people.preload(ctx, h.env, subject); err != nil {
			return err
		}
	}
	for _, family := range list {
		held, err := token.FamilyHeld(family)
		if err != nil {
			return err
		}
		if f.refresh[key(h.env.ID, family.ID)], err = f.working(h, &held); err != nil {
			return err
		}
	}
	f.whole[k] = len(list) < maxPreload
	return nil
}

// working is held, or nil where it does not work.
func (f *lookup) working(h home, held *token.Held) (*token.Held, error) {
	switch _, err := f.family(h, held); {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return held, nil
}

// key joins what no name contains NUL of.
func key(parts ...string) string { return strings.Join(parts, "\x00") }

// body is the object that a token is shown as (5.2). administrator sees what it is known by, too; id is that.
// Every plain value is an array of texts, which is empty where there is none.
func (f *lookup) body(t *oauthToken, administrator bool, id string) (map[string]any, error) {
	b := map[string]any{
		"expireTime":  []string{milliseconds(t.expires())},
		"tokenName":   []string{t.name()},
		"scope":       values(t.scope()...),
		"grant_type":  []string{t.grantType()},
		"clientID":    []string{t.client.ID},
		"tokenType":   []string{"Bearer"},
		"redirectURI": values(t.redirectURI()),
		"nonce":       values(t.nonce()),
		"realm":       []string{t.realm.Path},
		"userName":    []string{t.userName()},
	}
	if at := t.authTime(); at != 0 {
		b["auth_time"] = []string{strconv.FormatInt(at, 10)}
	}
	if acr := t.acr(); acr != "" {
		b["acr"] = []string{acr}
	}
	if amr := t.amr(); len(amr) > 0 {
		b["authModules"] = values(amr...)
	}
	if t.record != nil && t.record.Claims != "" {
		b["claims"] = []string{t.record.Claims}
	}
	if administrator {
		if err := f.identify(b, t, id); err != nil {
			return nil, err
		}
	}
	b[memberRev] = rev(b)
	return b, nil
}

// identify adds the members that only administrators see.
func (f *lookup) identify(b map[string]any, t *oauthToken, id string) error {
	b["id"], b[memberID] = []string{id}, id
	b["parent"] = values(t.parent())
	b["authGrantId"] = values(t.grant())
	b["auditTrackingId"] = []string{t.handle()} // as introspection and tokeninfo have it
	if t.record == nil {
		return nil
	}
	refresh, err := f.refreshOf(f.c.r.Context(), t)
	if refresh != nil {
		b["refreshToken"] = []string{refresh.Authorization.Grant}
	}
	return err
}

// listed is the object of a token in a list (5.3).
func (f *lookup) listed(t *oauthToken, administrator bool) (map[string]any, error) {
	b, err := f.body(t, administrator, t.handle())
	if err != nil {
		return nil, err
	}
	expires := t.expires()
	refresh, err := f.refreshOf(f.c.r.Context(), t)
	if err != nil {
		return nil, err
	}
	if refresh != nil {
		expires = refresh.ExpiresAt
	}
	b["expireTime"] = expires.UTC().Format(listTime)
	b["display_name"] = t.client.Name
	b["scopes"] = strings.Join(t.scope(), ",")
	b[memberRev] = rev(b)
	return b, nil
}

// listTime is a medium date and a short time as people in the United States write them. AM goes by
// Accept-Language and its own time zone; here it is always that and UTC.
const listTime = "Jan 2, 2006 3:04 PM"

// milliseconds since 1970, in decimals.
func milliseconds(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

// values is an array of the texts that are not empty; never null.
func values(texts ...string) []string {
	out := slices.DeleteFunc(slices.Clone(texts), func(s string) bool { return s == "" })
	if out == nil {
		return []string{}
	}
	return out
}

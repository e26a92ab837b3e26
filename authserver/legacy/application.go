package legacy

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// applicationVersions are those of the resource.
var applicationVersions = []version{{1, 0}, {1, 1}}

// applicationRoutes: json: users/{}/oauth2/applications, users/{}/oauth2/applications/{}. Only SSO tokens are accepted.
//
// Diverges: AIC takes an administrator's bearer token, too.
func (l *Legacy) applicationRoutes() []route {
	return []route{
		{
			name: "applications", tree: treeJSON, path: "users/{}/oauth2/applications", methods: crestMethods, cookies: true,
			serve: func(c *call) error {
				if c.r.Method != http.MethodGet && c.r.Method != http.MethodHead {
					return notImplemented()
				}
				return c.listApplications()
			},
		},
		{
			name: "application", tree: treeJSON, path: "users/{}/oauth2/applications/{}", methods: crestMethods, cookies: true,
			serve: func(c *call) error {
				if c.r.Method != http.MethodDelete {
					return notImplemented()
				}
				return c.deleteApplication()
			},
		},
	}
}

// application is what one client holds of a person.
type application struct {
	client *store.Client
	scopes map[string]string
	// expires is when the last of its tokens does.
	expires time.Time
}

// listApplications lists the clients that have tokens of a person (section 9).
func (c *call) listApplications() error {
	v, on, err := c.applicationCaller()
	if err != nil {
		return err
	}
	switch selector, err := c.query.selector(); {
	case err != nil:
		return err
	case selector != paramFilter || c.query.filter != "true" || c.query.has[paramSortKeys]:
		return notImplemented()
	}
	found, err := c.applications("")
	if err != nil {
		return err
	}
	items := make([]map[string]any, 0, len(found))
	for _, a := range found {
		items = append(items, a.item())
	}
	p, err := c.part(items, key("applications", on.realm.Path, on.user.ID, c.realm.Path, c.param(0)))
	if err != nil {
		return err
	}
	return c.answerQuery(p, v.String())
}

// part is the page of all results that was asked for.
func (c *call) part(items []map[string]any, binding string) (page, error) {
	from, err := c.openCookie(binding)
	if err != nil {
		return page{}, err
	}
	p := page{total: len(items)}
	if from != nil {
		items = slices.DeleteFunc(items, func(i map[string]any) bool { return i[memberID].(string) <= from.After })
	}
	items = items[min(c.query.offset, len(items)):]
	if n := c.query.results(); len(items) > n {
		items = items[:n]
		p.next, err = c.sealCookie(&position{After: items[n-1][memberID].(string)}, binding)
	}
	p.result = items
	return p, err
}

// deleteApplication takes back what a person has granted to a client (section 9): the consent, and every token. It answers
// with what there was, or 404 where the client had no token.
func (c *call) deleteApplication() error {
	v, on, err := c.applicationCaller()
	if err != nil {
		return err
	}
	subject, client := c.param(0), c.param(1)
	missing := crest(http.StatusNotFound, "Not Found")
	missing.Reason = "no_application"
	if c.env == nil {
		return missing
	}
	found, err := c.applications(client)
	if err != nil {
		return err
	}
	w := token.Withdrawal{Store: c.l.Store, Revoker: c.l.Revoker, Now: c.l.Now}
	if err := w.Withdraw(c.r.Context(), c.env, subject, client); err != nil {
		return err
	}
	if len(found) == 0 {
		return missing
	}
	c.calledByID(client)
	c.l.Log.LogAttrs(c.r.Context(), slog.LevelInfo, "consent and tokens of an application deleted",
		slog.String("by", on.who()), slog.String("realm", c.realm.Path), slog.String("client", client), slog.String("subject", subject))
	return c.answer(found[0].item(), v.String())
}

// applicationCaller finds out who asks: the person of the path or an administrator, others are 403, whoever the person is and
// whether or not there is one.
func (c *call) applicationCaller() (version, *signedOn, error) {
	v, err := c.version(applicationVersions...)
	if err != nil {
		return v, nil, err
	}
	on, err := c.sso()
	if err != nil {
		return v, nil, err
	}
	if !on.super && (on.realm != c.realm || on.user.ID != c.param(0)) {
		e := crest(http.StatusForbidden, "User, "+on.user.ID+", not authorized.")
		e.Reason = "another_persons"
		return v, nil, e
	}
	return v, on, nil
}

// applications are those of the person of the path, by client; of one client alone where that is not "". A client that is
// gone has none.
func (c *call) applications(client string) ([]*application, error) {
	if c.env == nil {
		return nil, nil
	}
	h := home{c.realm, c.env, true} // consents are the environment's
	w := &walk{lookup: c.lookup(), filter: &tokenFilter{}}
	for _, refresh := range []bool{false, true} {
		w.sources = append(w.sources, source{home: h, subject: c.param(0), client: client, refresh: refresh})
	}
	byClient := map[string]*application{}
	for from, first := (*position)(nil), true; first || from != nil; first = false {
		w.batches = 0
		var err error
		from, err = w.each(c.r.Context(), from, func(t *oauthToken) (bool, error) {
			a := byClient[t.client.ID]
			if a == nil {
				a = &application{client: t.client, scopes: map[string]string{}}
				byClient[t.client.ID] = a
			}
			a.add(t)
			return true, nil
		})
		if err != nil {
			return nil, err
		}
	}
	all := make([]*application, 0, len(byClient))
	for _, a := range byClient {
		if err := c.addConsent(c.r.Context(), a); err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b *application) int { return cmp.Compare(a.client.ID, b.client.ID) })
	return all, nil
}

// add counts a token in. A refresh token can still bring access tokens at its end.
func (a *application) add(t *oauthToken) {
	for _, s := range t.scope() {
		a.scopes[s] = s // no scope has a text of its own
	}
	end := t.expires()
	if t.held != nil {
		end = end.Add(t.held.Authorization.TTL)
	}
	if end.After(a.expires) {
		a.expires = end
	}
}

// addConsent counts in what the person has agreed to.
func (c *call) addConsent(ctx context.Context, a *application) error {
	consent, err := c.l.Store.ConsentTo(ctx, c.env.ID, c.param(0), a.client.ID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case err != nil:
		return oauth.CannotTell("read consent", err)
	}
	for _, s := range consent.Names() {
		a.scopes[s] = s
	}
	return nil
}

// item is the object of an application.
func (a *application) item() map[string]any {
	item := map[string]any{
		memberID: a.client.ID, "name": orNull(a.client.Name), "description": nil, "scopes": a.scopes,
		"expiryDateTime": a.expires.UTC().Format("2006-01-02T15:04:05.000Z"), "logoUri": orNull(a.client.LogoURI),
	}
	item[memberRev] = rev(item)
	return item
}

// orNull is a text, or null where it is empty.
func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

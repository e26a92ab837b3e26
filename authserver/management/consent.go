package management

import (
	"net/http"

	"github.com/caddy-gatehouse/gatehouse/authserver/access"
	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// maxConsents is how many consents of one person are looked at.
const maxConsents = 1000

// consentShape describes a consent.
type consentShape struct {
	ID          string      `json:"id"`
	User        reference   `json:"user"`
	Application reference   `json:"application"`
	Scopes      []scopeName `json:"scopes"`
	UpdatedAt   string      `json:"updatedAt"`
}

type scopeName struct {
	Name string `json:"name"`
}

// consentRoutes are what people agreed that applications may have.
func (a *API) consentRoutes() []route {
	const path = userPath + "/oauthConsents"
	return []route{
		{
			name: "consent.list", method: http.MethodGet, path: path, permission: access.ReadConsent, somewhere: true, target: selfTarget,
			serve: (*call).listConsents, summary: "Lists what a user agreed that applications may have.", query: paging,
			status: http.StatusOK, response: consentShape{}, isPage: "oauthConsents",
		},
		{
			name: "consent.read", method: http.MethodGet, path: path + "/{consentID}", permission: access.ReadConsent, somewhere: true, target: selfTarget,
			serve: (*call).readConsent, summary: "Reads what a user agreed that an application may have.", status: http.StatusOK, response: consentShape{},
		},
		{
			name: "consent.delete", method: http.MethodDelete, path: path + "/{consentID}", permission: access.DeleteConsent, somewhere: true, target: selfTarget,
			serve: (*call).deleteConsent, summary: "Withdraws a consent and ends the tokens that the application has of the user.", status: http.StatusNoContent,
		},
	}
}

// consentID is the ID of somebody's consent to an application.
func consentID(r *store.ConsentRecord) string {
	return directory.BuiltinID(r.Environment, store.KindConsent, r.Subject+" "+r.Client)
}

func (c *call) consentView(r *store.ConsentRecord) map[string]any {
	id := consentID(r)
	names := r.Names()
	scopes := make([]scopeName, len(names))
	for i, s := range names {
		scopes[i] = scopeName{s}
	}
	return map[string]any{
		"_links": c.links(c.userHref(r.Subject, "/oauthConsents/", id), map[string]string{
			"environment": "/environments/" + c.env.ID, "user": c.userHref(r.Subject),
			"application": "/environments/" + c.env.ID + "/applications/" + r.Client,
		}),
		"id": id, "environment": reference{c.env.ID}, "user": reference{r.Subject}, "application": reference{r.Client},
		"scopes": scopes, "updatedAt": timestamp(r.UpdatedAt),
	}
}

func (c *call) listConsents() error {
	u, err := c.user()
	if err != nil {
		return err
	}
	p, err := c.page(maxPage)
	if err != nil {
		return err
	}
	records, err := c.api.Store.ListConsents(c.r.Context(), c.env.ID, u.ID, maxConsents)
	if err != nil {
		return err
	}
	var items []any
	next := ""
	for i := range records {
		r := &records[i]
		if r.Client <= p.after {
			continue // they come by client
		}
		if len(items) == p.limit {
			next = records[i-1].Client
			break
		}
		items = append(items, c.consentView(r))
	}
	return c.collection("oauthConsents", items, next)
}

// consent finds the consent of the path.
func (c *call) consent() (*store.User, *store.ConsentRecord, error) {
	u, err := c.user()
	if err != nil {
		return nil, nil, err
	}
	records, err := c.api.Store.ListConsents(c.r.Context(), c.env.ID, u.ID, maxConsents)
	if err != nil {
		return nil, nil, err
	}
	for i := range records {
		if consentID(&records[i]) == c.param("consentID") {
			return u, &records[i], nil
		}
	}
	return nil, nil, web.NotFound()
}

func (c *call) readConsent() error {
	_, r, err := c.consent()
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, c.consentView(r))
}

// deleteConsent withdraws a consent, and ends what the application got by it.
func (c *call) deleteConsent() error {
	u, r, err := c.consent()
	if err != nil {
		return err
	}
	err = c.api.Writer.Record(c.r.Context(), c.actor(), c.env, store.Event{
		Action: "OAUTH_CONSENT.DELETED", Kind: store.KindConsent, Object: consentID(r), Name: u.Username, Parent: u.ID,
	})
	if err != nil {
		return err
	}
	w := token.Withdrawal{Store: c.api.Store, Revoker: c.api.Revoker, Now: c.api.Now}
	if err := w.Withdraw(c.r.Context(), c.env, r.Subject, r.Client); err != nil {
		return err
	}
	return c.noContent()
}

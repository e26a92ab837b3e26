package management

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/access"
	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/scim"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/webhook"
)

const (
	activitiesPath = "/environments/{environmentID}/activities"
	// maxActivities is the most that a page has, and maxActivityFilters how many a filter may come to.
	maxActivities      = 500
	maxActivityFilters = 8
)

// activityRoutes are the audit log.
func (a *API) activityRoutes() []route {
	return []route{
		{
			name: "activity.list", method: http.MethodGet, path: activitiesPath, permission: access.ReadActivity,
			serve: listActivities, summary: "Lists what was changed, the newest first.",
			query: append([]parameter{{
				"filter", `What is listed: recordedAt gt, ge, lt, le; action.type, resources.id, actors.client.id, actors.user.id eq.`,
			}}, paging...),
			status: http.StatusOK, response: activity{}, isPage: "activities",
		},
		{
			name: "activity.read", method: http.MethodGet, path: activitiesPath + "/{activityID}", permission: access.ReadActivity,
			serve: readActivity, summary: "Reads one line of the audit log.", status: http.StatusOK, response: activity{},
		},
	}
}

// activity is webhook.Activity with links.
type activity struct {
	Links map[string]link `json:"_links"`
	webhook.Activity
}

// reading is what it takes to read the documents of a kind.
var reading = map[store.ObjectKind]access.Permission{
	store.KindEnvironment: access.ReadEnvironment, store.KindPopulation: access.ReadPopulation,
	store.KindApplication: access.ReadApplication, store.KindApplicationAttribute: access.ReadApplication,
	store.KindGrant: access.ReadApplication, store.KindSecret: access.ReadApplication,
	store.KindResource: access.ReadResource, store.KindScope: access.ReadResource, store.KindResourceAttribute: access.ReadResource,
	store.KindRoleAssignment: access.ReadAssignment, store.KindKeyRotationPolicy: access.ReadKey, store.KindKey: access.ReadKey,
	store.KindSubscription: access.ReadSubscription,
	store.KindUser:         access.ReadUser, store.KindSession: access.ReadSession, store.KindConsent: access.ReadConsent,
}

// readable is e as far as the caller may read it: that something was changed, when and by whom, sees whoever may
// read the log; what it says only who may read that itself.
func (c *call) readable(e *store.Event) *store.Event {
	if p, known := reading[e.Kind]; known && c.who.ByRole(p, c.env, access.Target{}) {
		return e
	}
	cut := *e
	cut.Name, cut.Before, cut.After = "", nil, nil
	return &cut
}

func (c *call) activity(e *store.Event) activity {
	e = c.readable(e)
	return activity{
		c.links("/environments/"+c.env.ID+"/activities/"+e.ID, map[string]string{"environment": "/environments/" + c.env.ID}),
		webhook.NewActivity(c.base(), e),
	}
}

func readActivity(c *call) error {
	e, err := c.api.Store.EventByID(c.r.Context(), c.env.ID, c.param("activityID"), c.api.Now())
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, c.activity(&e))
}

func listActivities(c *call) error {
	p, err := c.page(maxActivities)
	if err != nil {
		return err
	}
	query, err := c.queryValues()
	if err != nil {
		return err
	}
	filters, err := activityFilters(query.Get("filter"))
	if err != nil {
		return directory.Invalid(directory.Problemf(directory.InvalidFilter, "filter", "%s", err))
	}
	// One more than the page has tells whether there is another page.
	events, err := c.events(filters, p.after, p.limit+1)
	if err != nil {
		return err
	}
	next := ""
	if len(events) > p.limit {
		events = events[:p.limit]
		next = events[p.limit-1].ID
	}
	items := make([]any, len(events))
	for i := range events {
		items[i] = c.activity(&events[i])
	}
	return c.collection("activities", items, next)
}

// events lists those that any of filters selects, the newest first.
func (c *call) events(filters []store.EventFilter, after string, limit int) ([]store.Event, error) {
	var all []store.Event
	now := c.api.Now()
	for _, f := range filters {
		f.Environment = c.env.ID
		events, err := c.api.Store.ListEvents(c.r.Context(), f, after, limit, now)
		if err != nil {
			return nil, err
		}
		all = append(all, events...)
	}
	if len(filters) > 1 {
		slices.SortFunc(all, func(a, b store.Event) int { return strings.Compare(b.ID, a.ID) })
		all = slices.CompactFunc(all, func(a, b store.Event) bool { return a.ID == b.ID })
	}
	return all[:min(limit, len(all))], nil
}

// activityFilters reads a filter. It comes to alternatives; none where no event can agree.
func activityFilters(text string) ([]store.EventFilter, error) {
	if strings.TrimSpace(text) == "" {
		return []store.EventFilter{{}}, nil
	}
	parsed, err := scim.Parse(text)
	if err != nil {
		return nil, err
	}
	alternatives, err := parsed.Normal(maxActivityFilters)
	if err != nil {
		return nil, err
	}
	var filters []store.EventFilter
	for _, conditions := range alternatives {
		var f store.EventFilter
		possible := true
		for _, condition := range conditions {
			agrees, err := restrict(&f, condition)
			if err != nil {
				return nil, err
			}
			possible = possible && agrees
		}
		if possible {
			filters = append(filters, f)
		}
	}
	return filters, nil
}

// restrict adds a condition to f; false where nothing can agree with both.
func restrict(f *store.EventFilter, c scim.Comparison) (possible bool, err error) {
	attribute := strings.ToLower(c.Attribute)
	value, text := c.Value.(string)
	if c.Negated || !text {
		return false, fmt.Errorf("%s takes a string that it is compared with", c.Attribute)
	}
	if attribute == "recordedat" || attribute == "createdat" {
		at, err := time.Parse(time.RFC3339, value)
		if err != nil {
			return false, fmt.Errorf("%s is compared with a date and time (RFC 3339)", c.Attribute)
		}
		return between(f, c, at.UTC())
	}
	into, ok := map[string]*string{
		"action.type": &f.Action, "resources.id": &f.Object, "actors.client.id": &f.Client, "actors.user.id": &f.User,
	}[attribute]
	switch {
	case !ok:
		return false, fmt.Errorf("%s is not an attribute that can be filtered", c.Attribute)
	case c.Operator != "eq":
		return false, fmt.Errorf("%s can be compared by eq alone", c.Attribute)
	case value == "" || *into != "" && *into != value:
		return false, nil
	}
	*into = value
	return true, nil
}

// between restricts f to a time. Times are compared as they are shown, in milliseconds.
func between(f *store.EventFilter, c scim.Comparison, at time.Time) (bool, error) {
	shown := at.Truncate(time.Millisecond)
	next := shown.Add(time.Millisecond)
	if shown.Equal(at) && (c.Operator == "ge" || c.Operator == "lt") {
		next = shown
	}
	switch c.Operator {
	case "gt", "ge":
		if f.Since.Before(next) {
			f.Since = next
		}
	case "lt", "le":
		if f.Until.IsZero() || next.Before(f.Until) {
			f.Until = next
		}
	default:
		return false, fmt.Errorf("%s can be compared by gt, ge, lt and le alone", c.Attribute)
	}
	return f.Until.IsZero() || f.Since.Before(f.Until), nil
}

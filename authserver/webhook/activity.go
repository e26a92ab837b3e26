package webhook

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Activity is a line of the audit log as PingOne's API shows it, and the message
// of a webhook. Changes is ours: the document before and after, without secrets.
type Activity struct {
	ID            string             `json:"id"`
	RecordedAt    string             `json:"recordedAt"`
	CreatedAt     string             `json:"createdAt"`
	CorrelationID string             `json:"correlationId,omitempty"`
	Action        ActivityAction     `json:"action"`
	Actors        ActivityActors     `json:"actors"`
	Resources     []ActivityResource `json:"resources"`
	Result        ActivityResult     `json:"result"`
	Changes       *ActivityChanges   `json:"changes,omitempty"`
}

// ActivityAction is what was done.
type ActivityAction struct {
	Type        string `json:"type"`
	Description string `json:"description"`
}

// ActivityActors are who did it: a client, and the person for whom it acted. Both are absent where the server itself did.
type ActivityActors struct {
	Client *ActivityResource `json:"client,omitempty"`
	User   *ActivityResource `json:"user,omitempty"`
}

// ActivityResource is an object or an actor.
type ActivityResource struct {
	Type        string             `json:"type"`
	ID          string             `json:"id"`
	Name        string             `json:"name,omitempty"`
	Environment ActivityReference  `json:"environment"`
	HREF        string             `json:"href,omitempty"`
	Parent      *ActivityReference `json:"parent,omitempty"`
}

// ActivityReference names an object.
type ActivityReference struct {
	ID string `json:"id"`
}

// ActivityResult says how it ended. What failed changed nothing and is in no audit log.
type ActivityResult struct {
	Status      string `json:"status"`
	Description string `json:"description"`
}

// ActivityChanges are the documents of the object.
type ActivityChanges struct {
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
}

// places are where objects of a kind are below their environment; {parent} and {id} are filled in.
var places = map[store.ObjectKind]string{
	store.KindEnvironment:          "",
	store.KindPopulation:           "/populations/{id}",
	store.KindApplication:          "/applications/{id}",
	store.KindApplicationAttribute: "/applications/{parent}/attributes/{id}",
	store.KindGrant:                "/applications/{parent}/grants/{id}",
	store.KindResource:             "/resources/{id}",
	store.KindScope:                "/resources/{parent}/scopes/{id}",
	store.KindResourceAttribute:    "/resources/{parent}/attributes/{id}",
	store.KindKeyRotationPolicy:    "/keyRotationPolicies/{id}",
	store.KindSubscription:         "/subscriptions/{id}",
	store.KindUser:                 "/users/{id}",
	store.KindSession:              "/users/{parent}/sessions/{id}",
	store.KindKey:                  "/keys/{id}",
}

// timeLayout is RFC 3339 with milliseconds, as PingOne writes times.
const timeLayout = "2006-01-02T15:04:05.000Z07:00"

// NewActivity shows an event. base is where clients reach /v1: "https://api.example.com".
func NewActivity(base string, e *store.Event) Activity {
	href := func(env, path string) string { return base + "/v1/environments/" + env + path }
	actor := func(kind, path, id, name string) *ActivityResource {
		if id == "" {
			return nil
		}
		env := e.ActorEnvironment
		if env == "" {
			env = e.Environment
		}
		return &ActivityResource{
			Type: kind, ID: id, Name: name, Environment: ActivityReference{env}, HREF: href(env, path+id),
		}
	}
	what := ActivityResource{
		Type: strings.ToUpper(string(e.Kind)), ID: e.Object, Name: e.Name, Environment: ActivityReference{e.Environment},
	}
	if e.Parent != "" {
		what.Parent = &ActivityReference{e.Parent}
	}
	if path, ok := places[e.Kind]; ok {
		what.HREF = href(e.Environment, strings.NewReplacer("{id}", e.Object, "{parent}", e.Parent).Replace(path))
	}
	at := e.At.UTC().Truncate(time.Millisecond).Format(timeLayout)
	a := Activity{
		ID: e.ID, RecordedAt: at, CreatedAt: at, CorrelationID: e.Correlation,
		Action: ActivityAction{Type: e.Action, Description: describe(e.Action)},
		Actors: ActivityActors{
			Client: actor("CLIENT", "/applications/", e.Client, e.ClientName), User: actor("USER", "/users/", e.User, e.UserName),
		},
		Resources: []ActivityResource{what},
		Result:    ActivityResult{Status: "SUCCESS", Description: strings.TrimSpace(describe(e.Action) + " " + e.Name)},
	}
	if e.Before != nil || e.After != nil {
		a.Changes = &ActivityChanges{Before: e.Before, After: e.After}
	}
	return a
}

// describe says an action in words: "Application Updated".
func describe(action string) string {
	words := strings.FieldsFunc(strings.ToLower(action), func(r rune) bool { return r == '.' || r == '_' })
	for i, w := range words {
		words[i] = strings.ToUpper(w[:1]) + w[1:]
	}
	return strings.Join(words, " ")
}

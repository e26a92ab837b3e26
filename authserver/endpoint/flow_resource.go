package endpoint

import (
	"encoding/json"
	"slices"
	"strconv"

	"github.com/caddy-gatehouse/gatehouse/authserver/authorize"
	"github.com/caddy-gatehouse/gatehouse/authserver/flow"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// link is a HAL link.
type link struct {
	Href string `json:"href"`
}

// flowJSON is a flow on the wire.
type flowJSON struct {
	Links       map[string]link `json:"_links"`
	Embedded    embedded        `json:"_embedded"`
	ID          string          `json:"id"`
	Environment idJSON          `json:"environment"`
	Session     *idJSON         `json:"session,omitempty"`
	Status      flow.Status     `json:"status"`
	ResumeURL   string          `json:"resumeUrl"`
	CreatedAt   string          `json:"createdAt"`
	ExpiresAt   string          `json:"expiresAt"`
	// Response is what a redirect would carry, with pi.flow.
	Response map[string]any `json:"authorizeResponse,omitempty"`
	Error    *flowError     `json:"error,omitempty"`
}

type idJSON struct {
	ID string `json:"id"`
}

type embedded struct {
	Application applicationJSON `json:"application"`
	User        *userJSON       `json:"user,omitempty"`
	Consent     *consentJSON    `json:"consent,omitempty"`
}

type applicationJSON struct {
	Name string `json:"name"`
	Icon *link  `json:"icon,omitempty"`
}

type userJSON struct {
	ID       string    `json:"id"`
	Username string    `json:"username"`
	Name     *nameJSON `json:"name,omitempty"`
}

type nameJSON struct {
	Given  string `json:"given,omitempty"`
	Family string `json:"family,omitempty"`
}

// consentJSON is ours: PingOne has no consent to scopes here.
type consentJSON struct {
	Scopes []string `json:"scopes"`
	// Resources are the custom resources that some of Scopes are of.
	Resources []consentResourceJSON `json:"resources,omitempty"`
}

type consentResourceJSON struct {
	ID     string   `json:"id"`
	Name   string   `json:"name"`
	Scopes []string `json:"scopes"`
}

// consentOf lists each scope once, and once for each resource that it is of.
func consentOf(asked []flow.Scope) *consentJSON {
	c := &consentJSON{Scopes: []string{}}
	for _, scope := range asked {
		if !slices.Contains(c.Scopes, scope.Name) {
			c.Scopes = append(c.Scopes, scope.Name)
		}
		if scope.Resource == "" {
			continue
		}
		i := slices.IndexFunc(c.Resources, func(r consentResourceJSON) bool { return r.ID == scope.Resource })
		if i < 0 {
			i = len(c.Resources)
			c.Resources = append(c.Resources, consentResourceJSON{ID: scope.Resource, Name: scope.ResourceName})
		}
		c.Resources[i].Scopes = append(c.Resources[i].Scopes, scope.Name)
	}
	return c
}

type flowError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// iso is ISO 8601 with milliseconds, in UTC.
const iso = "2006-01-02T15:04:05.000Z"

// flowBody is the flow resource. response, where there is one, is shown only to
// pi.flow clients; other response modes fetch theirs at resumeUrl.
func flowBody(env *store.Environment, f *flow.Flow, response *authorize.Response) []byte {
	base := flow.Base(env)
	self := link{base + "/flows/" + f.ID}
	body := flowJSON{
		Links: map[string]link{"self": self},
		ID:    f.ID, Environment: idJSON{env.ID}, Status: f.Status,
		ResumeURL: env.Issuer + "/resume?flowId=" + f.ID,
		CreatedAt: f.CreatedAt.UTC().Format(iso), ExpiresAt: f.ExpiresAt.UTC().Format(iso),
	}
	for _, action := range f.Actions {
		body.Links[string(action)] = self
	}
	if !f.Status.Terminal() {
		body.Links["signOnPage"] = link{flow.Page(env, f)}
	}
	if f.Session != "" {
		body.Session = &idJSON{f.Session}
	}
	if f.Client != nil {
		body.Embedded.Application.Name = f.Client.Name
		if f.Client.LogoURI != "" {
			body.Embedded.Application.Icon = &link{f.Client.LogoURI}
		}
	}
	if f.User != nil {
		body.Embedded.User = &userJSON{ID: f.User.ID, Username: f.User.Username, Name: nameOf(f.User)}
	}
	if f.Status == flow.ConsentRequired {
		body.Embedded.Consent = consentOf(f.Consent)
	}
	if f.Err != nil {
		body.Error = &flowError{f.Err.Code, "The request could not be completed. There was an issue processing the request."}
	}
	if response != nil && response.ReplyTo.Mode == oauth.ModePingFlow {
		body.Response = map[string]any{}
		for _, p := range response.Params {
			body.Response[p[0]] = p[1]
			if seconds, err := strconv.Atoi(p[1]); err == nil && p[0] == "expires_in" {
				body.Response[p[0]] = seconds
			}
		}
	}
	b, err := json.Marshal(body)
	if err != nil {
		panic(err) // structs of strings
	}
	return b
}

func nameOf(user *store.User) *nameJSON {
	var n nameJSON
	n.Given, _ = user.Claims["given_name"].(string)
	n.Family, _ = user.Claims["family_name"].(string)
	if n == (nameJSON{}) {
		return nil
	}
	return &n
}

package endpoint

import (
	"encoding/json"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/authorize"
	"github.com/caddy-gatehouse/gatehouse/authserver/flow"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Flows is PingOne's flows API: /{envID}/flows/{flowID}. GET reads a flow, POST
// takes the step that the media type of its body names.
type Flows struct {
	Flows    *flow.Engine
	Sessions *session.Sessions
}

// A step's media type is its name between these two.
const (
	actionPrefix = "application/vnd.pingidentity."
	actionSuffix = "+json"
)

// actions finds a step by its media type, which is compared without case (RFC
// 9110 §8.3.1).
var actions = func() map[string]flow.Action {
	m := map[string]flow.Action{}
	for _, a := range flow.Actions() {
		m[strings.ToLower(actionPrefix+string(a)+actionSuffix)] = a
	}
	return m
}()

// Serve answers one request of a sign-on page or a pi.flow client.
func (e *Flows) Serve(w http.ResponseWriter, r *http.Request, env *store.Environment) error {
	// parse
	id := path.Base(r.URL.Path)
	if !isUUID(id) {
		return web.NotFound()
	}
	b, err := e.Sessions.Read(r, env)
	if err != nil {
		return cannotTell("read session", err)
	}
	if r.Method != http.MethodPost {
		return e.read(w, r, env, id, b)
	}
	do, ok := actions[web.MediaType(r)]
	if !ok {
		return &oauth.Error{
			Code: oauth.CodeInvalidRequest, Status: http.StatusUnsupportedMediaType, Reason: "content_type",
			Description: "The media type names no action of a flow",
		}
	}
	in, err := readInput(r, do)
	if err != nil {
		return err
	}

	// validate: errors too are for the eyes of the client's own scripts alone
	if r.Header.Get("Origin") != "" {
		f, err := e.Flows.Read(r.Context(), env, id, b)
		if err != nil {
			return err
		}
		allowOrigin(w, r, f.Client)
	}

	// act
	f, err := e.Flows.Act(r.Context(), env, id, b, do, in)
	if err != nil {
		return err
	}
	var response *authorize.Response
	if f.Status.Terminal() && f.Request.ReplyTo.Mode == oauth.ModePingFlow {
		if response, err = e.Flows.Answer(r.Context(), env, f, b, w.Header().Get("Correlation-Id")); err != nil {
			return err
		}
	}

	// respond
	b.WriteCookies(w, env)
	web.WriteJSON(w, http.StatusOK, flowBody(env, f, response))
	return nil
}

func (e *Flows) read(w http.ResponseWriter, r *http.Request, env *store.Environment, id string, b *session.Browser) error {
	f, err := e.Flows.Read(r.Context(), env, id, b)
	if err != nil {
		return err
	}
	allowOrigin(w, r, f.Client)
	b.WriteCookies(w, env)
	web.WriteJSON(w, http.StatusOK, flowBody(env, f, nil))
	return nil
}

// readInput reads the body of a step. A consent has to say yes or no: an empty
// body is neither.
func readInput(r *http.Request, do flow.Action) (flow.Input, error) {
	var body struct {
		flow.Input
		Accept *bool `json:"accept"`
	}
	if err := web.ReadJSON(r, &body); err != nil {
		return flow.Input{}, err
	}
	if do == flow.Consent && body.Accept == nil {
		return flow.Input{}, oauth.InvalidData(oauth.Detail{Code: "REQUIRED_VALUE", Target: "accept", Message: "The value is required"})
	}
	body.Input.Accept = body.Accept != nil && *body.Accept
	body.Input.Locale = language(r)
	return body.Input, nil
}

// isUUID reports whether s is a UUID as we write them: lower case, with hyphens.
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case (c < '0' || c > '9') && (c < 'a' || c > 'f'):
			return false
		}
	}
	return true
}

// language is the first language that the request asks for, "" for none.
func language(r *http.Request) string {
	first, _, _ := strings.Cut(r.Header.Get("Accept-Language"), ",")
	tag, _, _ := strings.Cut(first, ";")
	if tag = strings.TrimSpace(tag); len(tag) > 35 || tag == "*" { // RFC 5646 §4.4.1
		return ""
	}
	return tag
}

// allowOrigin opens the answer to scripts of an origin that the client trusts.
func allowOrigin(w http.ResponseWriter, r *http.Request, client *store.Client) {
	origins := r.Header.Values("Origin")
	if len(origins) == 1 && client != nil && trusts(client.CORS, origins[0]) {
		web.AllowOrigin(w.Header(), origins[0])
	}
}

// trusts reports whether origin is one of list: byte for byte, or a subdomain
// where an entry's host begins with "*.".
func trusts(list []string, origin string) bool {
	return slices.ContainsFunc(list, func(entry string) bool {
		if entry == origin {
			return true
		}
		scheme, host, ok := strings.Cut(entry, "://*.")
		if !ok {
			return false
		}
		rest, ok := strings.CutPrefix(origin, scheme+"://")
		if !ok {
			return false
		}
		sub, ok := strings.CutSuffix(rest, "."+host)
		return ok && sub != "" && strings.Trim(sub, "abcdefghijklmnopqrstuvwxyz0123456789-.") == "" &&
			!strings.HasPrefix(sub, ".") && !strings.HasSuffix(sub, ".")
	})
}

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
		body.Embedded.Consent = &consentJSON{Scopes: append([]string{}, f.Consent...)}
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

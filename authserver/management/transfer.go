package management

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/access"
	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/transfer"
)

const (
	// typeLines is JSON, one value a line.
	typeLines = "application/x-ndjson"
	// maxImport is the largest file in bytes, and maxSilence how long a client may send nothing of it.
	maxImport  = 4 << 30
	maxSilence = time.Minute
)

// transferRoutes move environments as files.
func (a *API) transferRoutes() []route {
	return []route{
		{
			name: "environment.export", method: http.MethodGet, path: "/environments/{environmentID}/export",
			permission: access.ExportEnvironment, serve: exportEnvironment,
			summary: "Writes the environment as lines of JSON. The last line is {\"end\":true}, or {\"error\":…} where the file is not whole.",
			query: []parameter{
				{"users", "false leaves people out; default true."},
				{"secrets", "true adds secrets, sealed so that only a server with the same secrets key can read them; default false."},
				{"declared", "true adds what the server's configuration declares; default false."},
			},
			status: http.StatusOK, response: "", mediaType: typeLines,
		},
		{
			name: "environment.import", method: http.MethodPost, path: "/environments/{environmentID}/import",
			permission: access.ImportEnvironment, serve: importEnvironment,
			summary: "Makes the environment what a file of export says. The answer is lines of JSON: {\"progress\":…} and {\"difference\":…} while it goes on, then {\"result\":…} or {\"error\":…}.",
			query: []parameter{
				{"dryRun", "true changes nothing and tells each difference; default false."},
				{"prune", "true deletes what the file does not have; default false."},
			},
			request: map[string]any{typeLines: "", "application/jsonl": ""},
			status:  http.StatusOK, response: importLine{}, mediaType: typeLines,
		},
	}
}

// importLine is one line of the answer to an import: one of its members.
type importLine struct {
	Progress   *transfer.Progress   `json:"progress,omitempty"`
	Difference *transfer.Difference `json:"difference,omitempty"`
	Result     *transfer.Progress   `json:"result,omitempty"`
	Error      json.RawMessage      `json:"error,omitempty"`
}

// lineWriter begins the answer with its first line.
type lineWriter struct {
	c     *call
	begun bool
}

// Write implements io.Writer.
func (l *lineWriter) Write(p []byte) (int, error) {
	if !l.begun {
		l.begun = true
		l.c.w.Header().Set("Content-Type", typeLines)
		l.c.w.WriteHeader(http.StatusOK)
	}
	return l.c.w.Write(p)
}

// line writes one line and sends it on its way.
func (l *lineWriter) line(v any) error {
	enc := json.NewEncoder(l)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	return http.NewResponseController(l.c.w).Flush()
}

// patient reads a body that takes long to come, as long as something comes: one import at a time goes into an environment.
type patient struct {
	connection *http.ResponseController
	body       io.Reader
}

// Read implements io.Reader.
func (p *patient) Read(b []byte) (int, error) {
	// What cannot have a deadline has none; the clock is that of the connection.
	_ = p.connection.SetReadDeadline(time.Now().Add(maxSilence))
	n, err := p.body.Read(b)
	if err != nil {
		_ = p.connection.SetReadDeadline(time.Time{})
	}
	return n, err
}

// failed is an error as it can still be said: as an answer, or as the last line of one that has begun.
func (l *lineWriter) failed(err error) error {
	if err = plain(err); !l.begun {
		return err
	}
	return &web.Presented{Err: err, Write: func(_ http.ResponseWriter, e *oauth.Error, id string) {
		_ = l.line(importLine{Error: web.PingOne(e, id)}) // a client that went away is nobody's failure
	}}
}

func exportEnvironment(c *call) error {
	var o transfer.ExportOptions
	var err error
	if o.Users, err = c.option("users", true); err != nil {
		return err
	}
	if o.Secrets, err = c.option("secrets", false); err != nil {
		return err
	}
	if o.Declared, err = c.option("declared", false); err != nil {
		return err
	}
	if err := c.mayExport(o); err != nil {
		return err
	}
	if err := c.record("ENVIRONMENT.EXPORTED", map[string]bool{"users": o.Users, "secrets": o.Secrets, "declared": o.Declared}); err != nil {
		return err
	}
	c.w.Header().Set("Content-Disposition", `attachment; filename="`+c.env.ID+`.jsonl"`)
	out := &lineWriter{c: c}
	if err := c.api.Transfer.Export(c.r.Context(), c.env, out, o); err != nil {
		c.w.Header().Del("Content-Disposition")
		return out.failed(err)
	}
	return nil
}

func importEnvironment(c *call) error {
	if err := c.mayImport(); err != nil {
		return err
	}
	// Keys may come from where somebody knows them, and with one that signs here they can be who is declared, too.
	err := c.outranksEverybody(everybody)
	if err != nil && oauth.From(err).Status != http.StatusForbidden {
		return err
	}
	o := transfer.ImportOptions{MayGive: c.who.MayGive, Keys: err == nil}
	if o.DryRun, err = c.option("dryRun", false); err != nil {
		return err
	}
	if o.Prune, err = c.option("prune", false); err != nil {
		return err
	}
	if !o.DryRun {
		if err := c.record("ENVIRONMENT.IMPORTED", map[string]bool{"prune": o.Prune}); err != nil {
			return err
		}
	}
	out := &lineWriter{c: c}
	body := &patient{http.NewResponseController(c.w), http.MaxBytesReader(c.w, c.r.Body, maxImport)}
	done, err := c.api.Transfer.Import(c.r.Context(), c.actor(), c.env, body, o, func(p transfer.Progress, d *transfer.Difference) {
		if d != nil {
			_ = out.line(importLine{Difference: d}) // a client that went away ends the context
			return
		}
		_ = out.line(importLine{Progress: &p})
	})
	if err != nil {
		return out.failed(located(err))
	}
	_ = out.line(importLine{Result: &done})
	return nil
}

// mayExport asks for what it takes to read what is exported: people and secrets
// are not the environment's configuration.
func (c *call) mayExport(o transfer.ExportOptions) error {
	if o.Users && !c.who.ByRole(access.ReadUser, c.env, access.Target{}) {
		return forbiddenBecause("To export people takes a role that may read them; users=false leaves them out")
	}
	if !o.Secrets {
		return nil
	}
	for _, p := range []access.Permission{access.ReadAppSecret, access.ReadResourceSecret} {
		if !c.who.ByRole(p, c.env, access.Target{}) {
			return forbiddenBecause("To export secrets takes a role that may read them")
		}
	}
	// What is sealed can be read by who imports it into another environment of this server.
	if o.Declared {
		return c.outranksEverybody(everybody)
	}
	return c.outranksEverybody(undeclared)
}

// mayImport asks for what it takes to write whatever a file may have: it can
// replace every secret, and every password. So nobody imports into an
// environment in which somebody has a role that they do not have.
func (c *call) mayImport() error {
	for _, p := range []access.Permission{
		access.CreateUser, access.UpdateUser, access.DeleteUser, access.SetPassword, access.UpdateApplication, access.UpdateAppSecret,
		access.UpdateResource, access.UpdateResSecret, access.UpdatePopulation, access.UpdateKey, access.UpdateSubscription, access.CreateAssignment,
	} {
		if !c.who.ByRole(p, c.env, access.Target{}) {
			return forbiddenBecause("To import takes roles that may write whatever a file has, people included")
		}
	}
	return c.outranksEverybody(undeclared) // declared applications are not changed by a file, secrets included
}

// located says in the error's details where in a file it is.
func located(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge()
	}
	at, ok := errors.AsType[*transfer.Error](err)
	if !ok || at.Line == 0 && at.Kind == "" {
		return err
	}
	e, ok := errors.AsType[*oauth.Error](err)
	if !ok {
		e = oauth.From(plain(err))
	}
	where, inner := "", map[string]any{}
	if at.Line > 0 {
		where, inner["line"] = fmt.Sprintf("Line %d", at.Line), at.Line
	}
	if at.Kind != "" {
		where, inner["kind"], inner["id"] = strings.TrimSpace(where+" "+string(at.Kind)+" "+at.ID), at.Kind, at.ID
	}
	said := *e
	said.Details = nil
	if len(e.Details) == 0 {
		said.Details = []oauth.Detail{{Code: directory.InvalidValue, Message: where + ": " + e.Description, Inner: inner}}
	}
	for _, d := range e.Details {
		said.Details = append(said.Details, oauth.Detail{
			Code: d.Code, Target: d.Target, Message: strings.TrimSpace(where+": "+d.Target) + " " + d.Message, Inner: inner,
		})
	}
	return &said
}

// record keeps a line of the audit log about the whole environment.
func (c *call) record(action string, how any) error {
	after, err := json.Marshal(how)
	if err != nil {
		return err
	}
	return c.api.Writer.Record(c.r.Context(), c.actor(), c.env, store.Event{
		Action: action, Kind: store.KindEnvironment, Object: c.env.ID, Name: c.env.Name, After: after,
	})
}

// option reads a parameter of the query that is true or false.
func (c *call) option(name string, otherwise bool) (bool, error) {
	query, err := c.queryValues()
	if err != nil {
		return false, err
	}
	switch text, there := query.Get(name), query.Has(name); {
	case !there:
		return otherwise, nil
	case text == "true":
		return true, nil
	case text == "false":
		return false, nil
	}
	return false, invalidParameter(name, "must be true or false")
}

var _ io.Writer = (*lineWriter)(nil)

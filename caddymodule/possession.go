package caddymodule

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-gatehouse/gatehouse/authserver/dpop"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

// DPoP is how a gate judges DPoP proofs (RFC 9449). It needs the gate's url.
type DPoP struct {
	// Refuse tokens that are not bound to a key.
	Required bool `json:"required,omitempty"`
	// Demand nonces of the gate's own (RFC 9449 §9).
	Nonce bool `json:"nonce,omitempty"`
	// Accepted signature algorithms. Default: ES256, ES384, ES512, EdDSA, Ed25519, PS256.
	Algorithms []string `json:"algorithms,omitempty"`
	// How old a proof may be, at most 5m. Default: 1m.
	MaxAge caddy.Duration `json:"max_age,omitempty"`
	// Where used proofs are remembered: "process" or "store". Default: store where the gatehouse app's storage is shared by nodes.
	Replay string `json:"replay,omitempty"`
}

// Where used proofs are remembered.
const (
	replayProcess = "process"
	replayStore   = "store"
)

// provisionPossession makes ready how possession is proved; nil where nothing of it is configured. What dpop and client_certificate
// require becomes part of what tokens are bound to.
func (b *BearerAuth) provisionPossession(_ caddy.Context, app *App) (_ *resourceserver.Possession, err error) {
	if err := newExpander().one("url", &b.URL); err != nil {
		return nil, err
	}
	if err := checkGateURL(b.URL); err != nil {
		return nil, err
	}
	if b.Bound, err = b.bound(); err != nil {
		return nil, err
	}
	if b.DPoP == nil && b.ClientCertificate == nil {
		return nil, nil
	}
	p := new(resourceserver.Possession)
	if b.DPoP != nil {
		if b.URL == "" {
			return nil, errors.New("dpop needs the option url: proofs are made for the address that clients know")
		}
		p.URL = requestURL(b.URL)
		if p.DPoP, err = b.DPoP.verifier(app); err != nil {
			return nil, fmt.Errorf("dpop: %w", err)
		}
	}
	if b.ClientCertificate != nil {
		if b.certificates, err = b.ClientCertificate.source(); err != nil {
			return nil, fmt.Errorf("client_certificate: %w", err)
		}
		p.Certificate = b.certificates.of
	}
	return p, nil
}

// bound is what tokens must be bound to by bound, dpop and client_certificate together.
func (b *BearerAuth) bound() (string, error) {
	all := map[string]bool{}
	if b.Bound != "" {
		all[b.Bound] = true
	}
	if b.DPoP != nil && b.DPoP.Required {
		all[string(resourceserver.BoundDPoP)] = true
	}
	if b.ClientCertificate != nil && b.ClientCertificate.Required {
		all[string(resourceserver.BoundMTLS)] = true
	}
	if len(all) > 1 {
		delete(all, string(resourceserver.BoundSomehow)) // either of the others is more
	}
	for one := range all {
		if len(all) > 1 {
			return "", errors.New("bound, dpop required and client_certificate required: a token cannot be asked to be bound to a key and to a certificate; bound any takes either")
		}
		return one, nil
	}
	return "", nil
}

// checkGateURL refuses what could not be the start of a request's address. "" is none.
func checkGateURL(s string) error {
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || strings.ContainsAny(s, "?# ") {
		return errors.New("url: an absolute http or https URL without query and fragment is expected")
	}
	return nil
}

// requestURL says what clients call a request: base, and the path that the client sent, before anything here rewrote it.
func requestURL(base string) func(*http.Request) string {
	base = strings.TrimSuffix(base, "/")
	return func(r *http.Request) string {
		u := r.URL
		if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok && original.URL != nil {
			u = original.URL
		}
		return base + u.EscapedPath()
	}
}

// algorithms are what proofs may be signed with; nil for a gate without DPoP.
func (d *DPoP) algorithms() []string {
	switch {
	case d == nil:
		return nil
	case len(d.Algorithms) > 0:
		return d.Algorithms
	}
	return dpop.Algorithms()
}

// verifier makes d ready. app may be nil.
func (d *DPoP) verifier(app *App) (*dpop.Verifier, error) {
	v := &dpop.Verifier{Algorithms: d.algorithms(), MaxAge: time.Duration(d.MaxAge), Now: time.Now}
	for _, alg := range v.Algorithms {
		if !jose.Known(alg) || jose.Symmetric(alg) {
			return nil, fmt.Errorf("algorithms: '%s' is no algorithm for proofs; there are: %s", alg, strings.Join(proofAlgorithms, ", "))
		}
	}
	if v.MaxAge < 0 || v.MaxAge > dpop.LongestMaxAge {
		return nil, fmt.Errorf("max_age: a proof may be up to %v old", dpop.LongestMaxAge)
	}
	shared := app != nil && app.state.Shared()
	switch d.Replay {
	case "":
	case replayProcess:
		shared = false
	case replayStore:
		if app == nil {
			return nil, errors.New("replay store: there is no store without the gatehouse app (the global option 'gatehouse')")
		}
		shared = true
	default:
		return nil, fmt.Errorf("replay: there is no '%s'; there are: %s, %s", d.Replay, replayProcess, replayStore)
	}
	if app != nil {
		v.Replays = onceARequest{app.state.Replays(shared)}
	} else {
		v.Replays = onceARequest{processProofs()}
	}
	switch {
	case d.Nonce && app != nil:
		// Their key may not be there yet: the app has not started.
		v.Nonces = dpop.NoncesLater(app.state.Nonces)
	case d.Nonce:
		v.Nonces = processNonces()
	}
	return v, nil
}

// proofAlgorithms are all that may be configured.
var proofAlgorithms = []string{
	jose.ES256, jose.ES384, jose.ES512, jose.EdDSA, jose.Ed25519, jose.PS256, jose.PS384, jose.PS512, jose.RS256, jose.RS384, jose.RS512,
}

// Without the app, all gates of the process share what they remember: a reload must forget no proof, nor a nonce that was given out.
var (
	processProofs = sync.OnceValue(func() *dpop.Window { return dpop.NewWindow(0) })
	processNonces = sync.OnceValue(func() *dpop.Nonces {
		key := make([]byte, 32)
		_, _ = rand.Read(key) // it never fails
		return dpop.NewNonces(key, 0)
	})
)

// proofVar is the request variable that has the proof which the request has spent.
const proofVar = "gatehouse.proof"

// spentProof is a proof among the request's variables.
type spentProof [32]byte

func (spentProof) String() string { return "[proof]" }

// onceARequest lets one request spend its proof at several gates: nested ones, each of which must let it through, and those of error routes. To
// any other request the proof is a used one.
type onceARequest struct{ dpop.Replays }

// Spend implements dpop.Replays.
func (o onceARequest) Spend(ctx context.Context, by dpop.Owner, id [32]byte, until, now time.Time) error {
	vars, _ := ctx.Value(caddyhttp.VarsCtxKey).(map[string]any)
	if spent, ok := vars[proofVar].(spentProof); ok && spent == id {
		return nil
	}
	if err := o.Replays.Spend(ctx, by, id, until, now); err != nil {
		return err
	}
	if vars != nil {
		vars[proofVar] = spentProof(id)
	}
	return nil
}

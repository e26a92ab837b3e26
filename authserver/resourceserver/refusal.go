package resourceserver

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/caddy-gatehouse/gatehouse/authserver/dpop"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// Failure is what the client is told. It is oauth.Error under a name that lets
// it be embedded in an error.
type Failure = oauth.Error

// Refusal is why a request does not pass. It is shared by many requests: read only.
type Refusal struct {
	Failure // Code, Description, Status, Challenges, RetryAfter, Reason; Cause is for the log
	Why     Reason
	Issuer  int // configured issuer, -1 when none was determined
	// Token is the verified token where it was good and the request was refused nevertheless: by the policy, or since possession
	// was not proved, when the client may be somebody else than the token's. Else nil.
	Token *Token
	// DPoPNonce is what SetRefusalHeaders gives the client to use (RFC 9449 §9), "" for none.
	DPoPNonce string

	challenges []string // Challenges, rendered
	body       []byte
}

// retryAfter is what a client is told to wait when nothing better is known, in seconds.
const retryAfter = 5

// newRefusal makes a refusal. The challenge of RFC 6750 §3 goes with every status that
// speaks about the token: with 503 and 429 there is none, the token may be good. extra are further parameters of the challenge.
func newRefusal(v voice, issuer int, why Reason, extra ...oauth.Param) *Refusal {
	return newRefusalSaying(reasons[why].description, v, issuer, why, extra...)
}

// newRefusalSaying is newRefusal with another description than the reason's own.
func newRefusalSaying(description string, v voice, issuer int, why Reason, extra ...oauth.Param) *Refusal {
	say := &reasons[why]
	r := &Refusal{Why: why, Issuer: issuer, Failure: Failure{
		Code: say.code, Description: description, Status: say.status, Reason: say.label,
	}}
	if why.temporary() {
		r.RetryAfter = retryAfter
	} else {
		r.Challenges = v.challenges(&r.Failure, why, extra...)
	}
	r.render()
	return r
}

// with gives a copy of the refusal for one request.
func (r *Refusal) with(t *Token, cause error) *Refusal {
	own := *r
	own.Token, own.Cause = t, cause
	return &own
}

// render prepares header and body, so that a flood of refusals costs little.
func (r *Refusal) render() {
	for _, c := range r.Challenges {
		r.challenges = append(r.challenges, c.String())
	}
	r.body = encodeBody(&r.Failure)
}

// encodeBody is the small JSON body. A request without any credential gets the word
// "unauthorized", which is no OAuth error code on purpose: there is no token to be invalid.
func encodeBody(f *Failure) []byte {
	code := f.Code
	if code == "" {
		code = "unauthorized"
	}
	b, err := json.Marshal(struct {
		Error       string `json:"error"`
		Description string `json:"error_description,omitempty"`
	}{code, f.Description})
	if err != nil { // two strings: cannot fail
		return []byte(`{"error":"server_error"}`)
	}
	return b
}

// asRefusal gives the refusal in err's chain. Any other error becomes a
// server_error that tells the client nothing.
func asRefusal(err error) *Refusal {
	if r, ok := errors.AsType[*Refusal](err); ok {
		return r
	}
	r := &Refusal{Failure: *oauth.From(err), Issuer: -1}
	r.render()
	return r
}

// WriteRefusal writes status, challenges, DPoP-Nonce, Retry-After, Cache-Control: no-store and the small JSON body.
func WriteRefusal(w http.ResponseWriter, err error) {
	status := SetRefusalHeaders(w.Header(), err)
	body := RefusalBody(err)
	h := w.Header()
	h["Content-Type"] = []string{"application/json"}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client has gone away
}

// SetRefusalHeaders sets only the headers (for a host that dresses errors itself) and returns the status.
func SetRefusalHeaders(h http.Header, err error) (status int) {
	r := asRefusal(err)
	h["Cache-Control"] = []string{"no-store"}
	if len(r.challenges) > 0 {
		// A fresh slice: hosts edit header values in place.
		h["Www-Authenticate"] = slices.Clone(r.challenges)
	}
	if r.DPoPNonce != "" {
		h[dpop.NonceHeader] = []string{r.DPoPNonce}
	}
	if r.RetryAfter > 0 {
		h["Retry-After"] = []string{strconv.Itoa(r.RetryAfter)}
	}
	return r.Status
}

// RefusalBody is the small JSON body: {"error": …, "error_description": …}. The caller must not change it.
func RefusalBody(err error) []byte { return asRefusal(err).body }

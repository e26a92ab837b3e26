package caddymodule

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/caddy-gatehouse/gatehouse/authserver/mtls"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

// extAuthz answers Envoy's ext_authz filter: envoy.service.auth.v3.Authorization/Check. Every question is answered with a verdict; none
// with an error of gRPC, which a filter with failure_mode_allow would take for a pass.
type extAuthz struct {
	gate *BearerAuth
	// reserved are the headers that no client may send, in Envoy's spelling.
	reserved []string
}

func newExtAuthz(b *BearerAuth) *extAuthz {
	e := &extAuthz{gate: b}
	for _, name := range slices.Concat(b.managed()[len(credentialHeaders):], b.StripHeaders) {
		e.reserved = append(e.reserved, strings.ToLower(name))
	}
	return e
}

// serve answers one call. refused is why it is not to be judged; nil has it judged.
func (e *extAuthz) serve(w http.ResponseWriter, r *http.Request, refused error) error {
	message, long, ok := readCall(w, r, "/envoy.service.auth.v3.Authorization/Check")
	switch {
	case !ok:
		return nil
	case long && refused == nil:
		e.gate.verifier.observer.Decided(-1, resourceserver.InvalidRequest)
		refused = errLongQuestion
	}
	if refused == nil {
		var allowed *okResponse
		if allowed, refused = e.check(w, r, message); refused == nil {
			answerCall(w, allowed.encode())
			return nil
		}
	}
	logDecision(r, explain(refused))
	answerCall(w, denied(refused).encode())
	return nil
}

// errQuestion is a question that cannot be read, or that no request could be.
var errQuestion = oauth.InvalidRequest("The request that is asked about is malformed.")

// errLongQuestion is a question that is not read. It needs no body.
var errLongQuestion = &oauth.Error{
	Code: oauth.CodeInvalidRequest, Description: "The request that is asked about is too long.",
	Status: http.StatusRequestEntityTooLarge, Reason: resourceserver.InvalidRequest.String(),
}

// check judges the request that message asks about.
func (e *extAuthz) check(w http.ResponseWriter, r *http.Request, message []byte) (*okResponse, error) {
	b := e.gate
	asked, err := e.question(w, r, message)
	if err != nil {
		b.verifier.observer.Decided(-1, resourceserver.InvalidRequest)
		return nil, err
	}
	before, said := asked.Header.Clone(), answerHeader{}
	if err := b.judge(said, asked); err != nil {
		return nil, err
	}
	ok := e.changes(before, asked.Header)
	for name, values := range said {
		ok.answer = append(ok.answer, header{strings.ToLower(name), values[0]})
	}
	return ok, nil
}

// answerHeader is a ResponseWriter for what a request that passes has to say in its answer's headers: a nonce for proofs.
type answerHeader http.Header

func (h answerHeader) Header() http.Header         { return http.Header(h) }
func (h answerHeader) Write(b []byte) (int, error) { return len(b), nil }
func (h answerHeader) WriteHeader(int)             {}

// question is the request that message asks about.
func (e *extAuthz) question(w http.ResponseWriter, r *http.Request, message []byte) (*http.Request, error) {
	c, err := parseCheckRequest(message)
	if err != nil {
		return nil, errQuestion.WithCause(err)
	}
	q := question{method: c.method, uri: c.path, host: c.host, scheme: c.scheme, header: make(http.Header, len(c.headers)), body: c.body}
	for _, h := range c.headers {
		if strings.HasPrefix(h.name, ":") {
			continue // of HTTP/2, and named otherwise too
		}
		if !httpguts.ValidHeaderFieldName(h.name) || !httpguts.ValidHeaderFieldValue(h.value) {
			return nil, errQuestion
		}
		q.header.Add(h.name, h.value)
	}
	if e.gate.certificates != nil && c.certificate != "" {
		certificate, err := mtls.Parse(mtls.PEM, []string{c.certificate})
		if err != nil {
			return nil, errQuestion.WithCause(err)
		}
		q.tls = &tls.ConnectionState{
			HandshakeComplete: true,
			PeerCertificates:  append([]*x509.Certificate{certificate.Leaf}, certificate.Intermediates...),
		}
	}
	return q.request(w, r)
}

// changes is what Envoy is to do to the request, so that it goes on as it would have from here.
func (e *extAuthz) changes(before, after http.Header) *okResponse {
	ok := new(okResponse)
	for name, values := range after {
		// One value: what the gate writes has never more, and Envoy has joined what the client sent.
		if !slices.Equal(values, before[name]) && len(values) == 1 {
			ok.set = append(ok.set, header{strings.ToLower(name), values[0]})
		}
	}
	for name := range before {
		if _, kept := after[name]; !kept {
			ok.remove = append(ok.remove, strings.ToLower(name))
		}
	}
	// Envoy may have been told not to send them.
	for _, name := range e.reserved {
		if _, set := after[http.CanonicalHeaderKey(name)]; !set && !slices.Contains(ok.remove, name) {
			ok.remove = append(ok.remove, name)
		}
	}
	return ok
}

// denied is a refusal in Envoy's words.
func denied(err error) *deniedResponse {
	h := http.Header{}
	status := resourceserver.SetRefusalHeaders(h, err)
	h["Content-Type"] = []string{"application/json"}
	d := &deniedResponse{status: status, body: resourceserver.RefusalBody(err)}
	for name, values := range h {
		// Challenges are a list (RFC 9110 §11.6.1), and Envoy takes one value of a name.
		d.headers = append(d.headers, header{strings.ToLower(name), strings.Join(values, ", ")})
	}
	return d
}

// errMessage is a message that is none of Envoy's.
var errMessage = errors.New("ext_authz: the message cannot be decoded")

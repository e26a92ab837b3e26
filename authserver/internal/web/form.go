package web

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

const (
	// MaxForm is the largest form body in bytes.
	MaxForm = 64 << 10
	// maxParameters bounds a form of nothing but separators.
	maxParameters = 200

	formType = "application/x-www-form-urlencoded"
)

// Form holds the parameters of one request. Parameters sent without a value
// count as left out (RFC 6749 §3.1).
type Form struct {
	pairs []pair
	inner [8]pair // most requests have fewer, which saves an allocation
}

type pair struct{ name, value string }

// Get gives the value of a parameter, "" when it is absent.
func (f *Form) Get(name string) string {
	for i := range f.pairs {
		if f.pairs[i].name == name {
			return f.pairs[i].value
		}
	}
	return ""
}

// All gives every value of a parameter that may be repeated (RFC 8707 §2).
func (f *Form) All(name string) []string {
	var values []string
	for i := range f.pairs {
		if f.pairs[i].name == name && f.pairs[i].value != "" {
			values = append(values, f.pairs[i].value)
		}
	}
	return values
}

// Require gives the value of a parameter, or invalid_request without it.
func (f *Form) Require(name string) (string, error) {
	if v := f.Get(name); v != "" {
		return v, nil
	}
	return "", oauth.InvalidRequest("The parameter %s is missing", name)
}

// buffers hold bodies while they are read.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 4096); return &b }}

// ReadForm reads the parameters of a POST: only from a body of the registered
// form type (415), only up to MaxForm (413), and no parameter twice. The query
// is never merged, and one that carries a credential is refused, because it is
// in somebody's log by now (RFC 6749 §2.3.1, RFC 9700 §4.3.2).
func ReadForm(r *http.Request) (*Form, error) {
	if err := checkQuery(r.URL.RawQuery); err != nil {
		return nil, err
	}
	if !isForm(r.Header) {
		return nil, &oauth.Error{
			Code: oauth.CodeInvalidRequest, Status: http.StatusUnsupportedMediaType, Reason: "content_type",
			Description: "The body must be " + formType,
		}
	}
	if r.ContentLength > MaxForm {
		return nil, tooLarge()
	}
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	body, err := readAll(r.Body, (*buffer)[:0])
	*buffer = body[:0]
	if err != nil {
		return nil, err
	}
	return parseForm(string(body))
}

// ReadParameters reads an authorization request: of a GET the query, of a POST
// the body alone (RFC 6749 §3.1). No parameter may occur twice.
func ReadParameters(r *http.Request) (*Form, error) {
	if r.Method == http.MethodPost {
		return ReadForm(r)
	}
	if len(r.URL.RawQuery) > MaxForm {
		return nil, tooLarge()
	}
	return parseForm(r.URL.RawQuery)
}

// NewForm makes a Form of parameters in their order; Encode writes it back.
func NewForm(pairs ...[2]string) *Form {
	f := &Form{}
	for _, p := range pairs {
		f.pairs = append(f.pairs, pair{p[0], p[1]})
	}
	return f
}

// Set replaces or adds a parameter.
func (f *Form) Set(name, value string) {
	for i := range f.pairs {
		if f.pairs[i].name == name {
			f.pairs[i].value = value
			return
		}
	}
	f.pairs = append(f.pairs, pair{name, value})
}

// Add adds a value of a parameter that may be repeated.
func (f *Form) Add(name, value string) { f.pairs = append(f.pairs, pair{name, value}) }

// Has reports whether a parameter was sent at all, with or without a value.
func (f *Form) Has(name string) bool { return f.has(name) }

// Names lists the parameters that have a value, in order.
func (f *Form) Names() []string {
	var names []string
	for _, p := range f.pairs {
		if p.value != "" && !slices.Contains(names, p.name) {
			names = append(names, p.name)
		}
	}
	return names
}

// Encode writes the parameters as a form body.
func (f *Form) Encode() string {
	var b strings.Builder
	for i, p := range f.pairs {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(url.QueryEscape(p.name))
		b.WriteByte('=')
		b.WriteString(url.QueryEscape(p.value))
	}
	return b.String()
}

// readAll is io.ReadAll into b, up to MaxForm.
func readAll(r io.Reader, b []byte) ([]byte, error) {
	for {
		if len(b) > MaxForm {
			return b, tooLarge()
		}
		if len(b) == cap(b) {
			b = slices.Grow(b, len(b)+1)
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if errors.Is(err, io.EOF) {
			if len(b) > MaxForm {
				return b, tooLarge()
			}
			return b, nil
		}
		if err != nil {
			return b, oauth.InvalidRequest("The body could not be read").WithCause(err)
		}
	}
}

func tooLarge() *oauth.Error {
	return &oauth.Error{
		Code: oauth.CodeInvalidRequest, Status: http.StatusRequestEntityTooLarge, Reason: "too_large",
		Description: "The body is too large",
	}
}

// isForm also refuses an encoded body: nothing here decompresses.
func isForm(h http.Header) bool {
	if h.Get("Content-Encoding") != "" || len(h["Content-Type"]) != 1 {
		return false
	}
	ct := h["Content-Type"][0]
	if ct == formType {
		return true
	}
	kind, _, err := mime.ParseMediaType(ct)
	return err == nil && kind == formType
}

func parseForm(body string) (*Form, error) {
	f := &Form{}
	f.pairs = f.inner[:0]
	for body != "" {
		var part string
		part, body, _ = strings.Cut(body, "&")
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		name, ok := unescape(name)
		if !ok {
			return nil, malformed()
		}
		value, ok = unescape(value)
		if !ok {
			return nil, malformed()
		}
		if !repeatable(name) && f.has(name) {
			return nil, oauth.InvalidRequest("A parameter occurs more than once")
		}
		if len(f.pairs) == maxParameters {
			return nil, oauth.InvalidRequest("There are too many parameters")
		}
		f.pairs = append(f.pairs, pair{name, value})
	}
	return f, nil
}

func (f *Form) has(name string) bool {
	return slices.ContainsFunc(f.pairs, func(p pair) bool { return p.name == name })
}

// repeatable lists what may occur more than once (RFC 8707 §2, RFC 8693 §2.1).
func repeatable(name string) bool { return name == "resource" || name == "audience" }

func malformed() *oauth.Error { return oauth.InvalidRequest("The body is malformed") }

// unescape decodes one name or value. What is escaped by nobody is not copied.
func unescape(s string) (string, bool) {
	if strings.IndexByte(s, '%') < 0 && strings.IndexByte(s, '+') < 0 {
		return s, true
	}
	out, err := url.QueryUnescape(s)
	return out, err == nil
}

// checkQuery refuses a query string that carries a credential.
func checkQuery(query string) error {
	for query != "" {
		var part string
		part, query, _ = strings.Cut(query, "&")
		name, _, _ := strings.Cut(part, "=")
		if out, ok := unescape(name); ok {
			name = out
		}
		switch strings.ToLower(name) {
		case "token", "access_token", "refresh_token", "id_token", "client_secret", "client_assertion", "assertion",
			"subject_token", "actor_token", "code", "code_verifier", "device_code", "password":
			return oauth.InvalidRequest("Credentials are not accepted in the query string")
		}
	}
	return nil
}

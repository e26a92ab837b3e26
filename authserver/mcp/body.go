package mcp

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// refuse is a request that is not as it must be. description is for the client, and has nothing of the request.
func refuse(status int, description string) *oauth.Error {
	e := &oauth.Error{Code: oauth.CodeInvalidRequest, Description: description, Status: status}
	if status == http.StatusBadRequest {
		e.Challenges = []oauth.Challenge{{Scheme: "Bearer", Params: []oauth.Param{
			{Name: "error", Value: e.Code}, {Name: "error_description", Value: e.Description},
		}}}
	}
	return e
}

// hasBody reports whether a body comes with req, or may come.
func hasBody(req *http.Request) bool {
	return req.ContentLength != 0 || len(req.TransferEncoding) > 0
}

// refuseTunnel refuses what turns the connection into one of another protocol (WebSockets, HTTP/2's CONNECT): calls in it would be
// seen by nobody.
func refuseTunnel(req *http.Request) error {
	if req.Method == http.MethodConnect || req.Header["Upgrade"] != nil {
		return refuse(http.StatusBadRequest, "Another protocol than HTTP cannot be spoken here.")
	}
	return nil
}

// checkType refuses bodies that are read in another way than ours. There is no parameter but charset, in its plain form: readers do not agree on what
// others mean, and one that knows nothing of RFC 2231 takes the charset of "charset=utf-7; charset*=…utf-8" for UTF-7, in which a
// quotation mark can be written so that it is none in UTF-8.
func checkType(h http.Header) error {
	types, codings := h["Content-Type"], h["Content-Encoding"]
	if len(types) != 1 || len(codings) > 1 || len(codings) == 1 && !strings.EqualFold(codings[0], "identity") {
		return errType
	}
	name, params, err := mime.ParseMediaType(types[0])
	if err != nil || name != "application/json" {
		return errType
	}
	for name, value := range params {
		if name != "charset" || !strings.EqualFold(value, "utf-8") || strings.IndexByte(types[0], '*') >= 0 {
			return errType
		}
	}
	return nil
}

var errType = refuse(http.StatusUnsupportedMediaType, "The body must be application/json in UTF-8, without a content coding.")

// errLong has no text of its own for each limit: the client knows how much it sent.
var errLong = refuse(http.StatusRequestEntityTooLarge, "The body is too long.")

// setAside is the most that is set aside for a body before it has come, in bytes, whatever length its sender has declared.
const setAside = 1 << 20

// readBody reads req's body, of at most limit bytes, and puts it back. There is one copy of it.
func readBody(w http.ResponseWriter, req *http.Request, limit int64) (string, error) {
	if req.ContentLength > limit {
		return "", errLong
	}
	var b strings.Builder
	if req.Body != nil {
		b.Grow(int(min(max(req.ContentLength, 512), setAside)))
		_, err := io.CopyBuffer(&b, http.MaxBytesReader(w, req.Body, limit), make([]byte, 4<<10))
		if _, long := errors.AsType[*http.MaxBytesError](err); long {
			return "", errLong
		}
		if err != nil {
			return "", refuse(http.StatusBadRequest, "The body did not arrive whole.").WithCause(err)
		}
	}
	req.Body = &body{*strings.NewReader(b.String()), req.Body}
	return b.String(), nil
}

// body is a body that was read, in place of the one that it was read from.
type body struct {
	strings.Reader
	was io.Closer
}

// Close closes the body that was read.
func (b *body) Close() error {
	if b.was == nil {
		return nil
	}
	return b.was.Close()
}

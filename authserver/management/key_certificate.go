package management

import (
	"bytes"
	"encoding/pem"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/keys"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// keysUnavailable makes an answer of an error of package keys: what it refuses, it says; what is not
// there, is not there; everything else cannot be told now.
func keysUnavailable(err error) error {
	if _, ok := errors.AsType[*oauth.Error](err); ok || errors.Is(err, store.ErrNotFound) {
		return err
	}
	return oauth.CannotTell("keys", err)
}

// readKey shows a key, or its certificates.
func readKey(c *call) error {
	kind, err := c.accepted(typeJSON, typeX509, typePKCS7)
	if err != nil {
		return err
	}
	key, version, err := c.api.Keys.Find(c.r.Context(), c.env, c.param("keyID"))
	if err != nil {
		return keysUnavailable(err)
	}
	switch kind {
	case typeX509:
		return c.file(typeX509, key.PEM())
	case typePKCS7:
		der, err := key.PKCS7()
		if err != nil {
			return err
		}
		return c.file(typePKCS7, der)
	}
	return c.replyKey(http.StatusOK, key, version)
}

// readCertificateRequest makes a request for a certificate. A client that asks for JSON, as PingOne's own does by
// itself, is given the PEM.
func readCertificateRequest(c *call) error {
	kind, err := c.accepted(typePEM, typePKCS10, typeJSON)
	if err != nil {
		return err
	}
	der, err := c.api.Keys.CertificateRequest(c.r.Context(), c.env, c.param("keyID"))
	if err != nil {
		return keysUnavailable(err)
	}
	if kind == typePKCS10 {
		return c.file(typePKCS10, der)
	}
	return c.file(typePEM, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}

// importCertificate gives a key the certificate that its request was answered with.
func importCertificate(c *call) error {
	form, err := c.multipart(keys.MaxCertificates)
	if err != nil {
		return err
	}
	changed, version, err := c.api.Keys.Certify(c.r.Context(), c.env, c.param("keyID"), []byte(form["file"]), c.recordKey("KEY.UPDATED"))
	if err != nil {
		return keysUnavailable(err)
	}
	return c.replyKey(http.StatusOK, changed, version)
}

// file writes an answer that is not JSON.
func (c *call) file(kind string, body []byte) error {
	h := c.w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	c.w.WriteHeader(http.StatusOK)
	_, _ = c.w.Write(body) // whoever asked has gone
	return nil
}

// accepted picks one of the media types that can be given, the first being the usual one, by the request's
// Accept (RFC 9110 §12.5.1): the one that it prefers; 406 where it takes none.
func (c *call) accepted(offers ...string) (string, error) {
	c.w.Header().Add("Vary", "Accept")
	lines := c.r.Header.Values("Accept")
	if len(lines) == 0 {
		return offers[0], nil
	}
	best, quality := "", 0.0
	for _, offer := range offers {
		if q := acceptance(lines, offer); q > quality {
			best, quality = offer, q
		}
	}
	if best == "" {
		return "", &oauth.Error{
			Code: oauth.CodeInvalidRequest, Status: http.StatusNotAcceptable, PingOne: oauth.PingOneInvalidRequest,
			Description: "The answer can be " + strings.Join(offers, ", ") + " and nothing else",
		}
	}
	return best, nil
}

// acceptance is how much a request wants a media type, by the most specific range that it is in.
func acceptance(lines []string, offer string) float64 {
	most, quality := 0, 0.0
	for one := range strings.SplitSeq(strings.Join(lines, ","), ",") {
		kind, params, err := mime.ParseMediaType(one)
		if err != nil {
			continue
		}
		specific := 0
		switch kind {
		case offer:
			specific = 3
		case "application/*":
			specific = 2
		case "*/*":
			specific = 1
		}
		if specific <= most {
			continue
		}
		q := 1.0
		if text, ok := params["q"]; ok {
			if q, err = strconv.ParseFloat(text, 64); err != nil || !(q >= 0 && q <= 1) {
				continue
			}
		}
		most, quality = specific, q
	}
	return quality
}

// maxParts bounds the parts of a multipart body; those that nobody asked for are ignored.
const maxParts = 10

// multipart reads a multipart body (RFC 7578): a file of at most most bytes, and short texts; none of them twice.
func (c *call) multipart(most int) (map[string]string, error) {
	_, params, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil || params["boundary"] == "" {
		return nil, badRequest("The body has no boundary")
	}
	body, err := readAll(c.r.Body)
	if err != nil {
		return nil, err
	}
	form := map[string]string{}
	for r := multipart.NewReader(bytes.NewReader(body), params["boundary"]); ; {
		part, err := r.NextPart()
		if errors.Is(err, io.EOF) {
			return form, nil
		}
		if err != nil || len(form) == maxParts {
			return nil, badRequest("The body is not the multipart form that is expected")
		}
		name := part.FormName()
		if _, twice := form[name]; twice || name == "" {
			return nil, badRequest("A part of the body has no name, or one that occurs more than once")
		}
		text, err := io.ReadAll(io.LimitReader(part, int64(most)+1))
		switch {
		case err != nil:
			return nil, badRequest("The body is not the multipart form that is expected")
		case len(text) > most:
			return nil, directory.Invalid(directory.Problemf(directory.SizeLimitExceeded, name, "must not have more than %d bytes", most))
		}
		form[name] = string(text)
	}
}

package caddymodule

import (
	"net/http"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// The messages of envoy.service.auth.v3 as far as the gate reads and writes them, field by field. The types that are generated
// from their definitions would have cost every server 1.3 MiB of memory and 2.6 MiB of binary, used or not.

// header is a name and a value.
type header struct{ name, value string }

// checkRequest is what matters of CheckRequest.
type checkRequest struct {
	method, path, host, scheme string
	headers                    []header
	body                       bool   // some of it is there
	certificate                string // PEM, percent-encoded
}

// Field numbers.
const (
	checkAttributes = 1 // of CheckRequest

	attributeSource, attributeRequest = 1, 4 // of AttributeContext
	peerCertificate                   = 5    // of AttributeContext.Peer
	requestHTTP                       = 2    // of AttributeContext.Request

	// of AttributeContext.HttpRequest
	httpMethod, httpHeaders, httpPath, httpHost, httpScheme, httpBody, httpRawBody, httpHeaderMap = 2, 3, 4, 5, 6, 11, 12, 13

	mapHeaders                    = 1       // of HeaderMap
	entryKey, entryValue          = 1, 2    // of an entry of a map, and of HeaderValue
	entryRaw                      = 3       // of HeaderValue
	optionHeader                  = 1       // of HeaderValueOption
	optionAction                  = 3       // of HeaderValueOption
	overwriteIfExistsOrAdd        = 2       // HeaderAppendAction
	responseStatus                = 1       // of CheckResponse
	responseDenied                = 2       // of CheckResponse
	responseOK                    = 3       // of CheckResponse
	statusCode                    = 1       // of google.rpc.Status
	okHeaders, okRemove, okAnswer = 2, 5, 6 // of OkHttpResponse
	deniedStatus                  = 1       // of DeniedHttpResponse
	deniedHeaders, deniedBody     = 2, 3    // of DeniedHttpResponse
	httpStatusCode                = 1       // of HttpStatus
	rpcDenied, rpcNobody          = 7, 16   // PERMISSION_DENIED, UNAUTHENTICATED
)

// parseCheckRequest reads a CheckRequest. Of a field that comes twice the last is taken, and messages that come twice are one, as
// the encoding has it.
func parseCheckRequest(b []byte) (*checkRequest, error) {
	c := new(checkRequest)
	return c, within(b, checkAttributes, func(attributes []byte) error {
		return eachField(attributes, func(field protowire.Number, value []byte) error {
			switch field {
			case attributeSource:
				return within(value, peerCertificate, func(v []byte) error { c.certificate = string(v); return nil })
			case attributeRequest:
				return within(value, requestHTTP, c.http)
			}
			return nil
		})
	})
}

// http reads a message HttpRequest.
func (c *checkRequest) http(b []byte) error {
	return eachField(b, func(field protowire.Number, value []byte) error {
		switch field {
		case httpMethod:
			c.method = string(value)
		case httpPath:
			c.path = string(value)
		case httpHost:
			c.host = string(value)
		case httpScheme:
			c.scheme = string(value)
		case httpBody, httpRawBody:
			c.body = c.body || len(value) > 0
		case httpHeaders:
			return c.header(value)
		case httpHeaderMap:
			return within(value, mapHeaders, c.header)
		}
		return nil
	})
}

// header reads an entry of headers, or a HeaderValue, which differ in how a value may be written.
func (c *checkRequest) header(b []byte) error {
	var h header
	err := eachField(b, func(field protowire.Number, value []byte) error {
		switch field {
		case entryKey:
			h.name = string(value)
		case entryValue, entryRaw:
			h.value = string(value)
		}
		return nil
	})
	c.headers = append(c.headers, h)
	return err
}

// within calls each with every field of that number.
func within(b []byte, number protowire.Number, each func(value []byte) error) error {
	return eachField(b, func(field protowire.Number, value []byte) error {
		if field == number {
			return each(value)
		}
		return nil
	})
}

// eachField calls each with the fields of a message whose values are strings, bytes or messages. All others are skipped.
func eachField(b []byte, each func(field protowire.Number, value []byte) error) error {
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return errMessage
		}
		b = b[n:]
		if kind != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(field, kind, b); n < 0 {
				return errMessage
			}
			b = b[n:]
			continue
		}
		value, n := protowire.ConsumeBytes(b)
		if n < 0 {
			return errMessage
		}
		b = b[n:]
		if err := each(field, value); err != nil {
			return err
		}
	}
	return nil
}

// okResponse is an OkHttpResponse.
type okResponse struct {
	set    []header // of the request
	remove []string
	answer []header // of the upstream's answer
}

// encode gives the CheckResponse that has it.
func (o *okResponse) encode() []byte {
	var ok []byte
	for _, h := range o.set {
		ok = appendHeader(ok, okHeaders, h)
	}
	for _, name := range o.remove {
		ok = appendString(ok, okRemove, name)
	}
	for _, h := range o.answer {
		ok = appendHeader(ok, okAnswer, h)
	}
	return appendString(appendString(nil, responseStatus, ""), responseOK, string(ok))
}

// deniedResponse is a DeniedHttpResponse.
type deniedResponse struct {
	status  int
	headers []header
	body    []byte
}

// encode gives the CheckResponse that has it.
func (d *deniedResponse) encode() []byte {
	code := uint64(rpcDenied)
	if d.status == http.StatusUnauthorized {
		code = rpcNobody
	}
	out := appendString(nil, deniedStatus, string(appendNumber(nil, httpStatusCode, uint64(d.status))))
	slices.SortFunc(d.headers, func(a, b header) int { return strings.Compare(a.name, b.name) })
	for _, h := range d.headers {
		out = appendHeader(out, deniedHeaders, h)
	}
	out = appendString(out, deniedBody, string(d.body))
	return appendString(appendString(nil, responseStatus, string(appendNumber(nil, statusCode, code))), responseDenied, string(out))
}

// appendHeader writes a HeaderValueOption that takes the place of what is there.
func appendHeader(b []byte, field protowire.Number, h header) []byte {
	value := appendString(appendString(nil, entryKey, h.name), entryValue, h.value)
	option := appendNumber(appendString(nil, optionHeader, string(value)), optionAction, overwriteIfExistsOrAdd)
	return appendString(b, field, string(option))
}

func appendString(b []byte, field protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), s)
}

func appendNumber(b []byte, field protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), v)
}

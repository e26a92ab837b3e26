package mtls

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/url"
	"strings"
)

// Format is how a proxy writes a certificate into a header.
type Format string

// The formats.
const (
	// ClientCert is RFC 9440: the DER in base64 between colons.
	ClientCert Format = "client_cert"
	// PEM is PEM, percent-encoded or not, with or without its first and last line and with any white space: nginx, HAProxy, Traefik, AWS. What
	// follows the client's certificate, behind a comma or as further PEM, are those that lead to an authority.
	PEM Format = "pem"
	// Envoy is x-forwarded-client-cert of one element: Cert, and Chain if it is there. Where Hash is there too, as from Envoy always, it must be
	// that of Cert. Envoy must be told to write the header anew (SANITIZE_SET).
	Envoy Format = "xfcc"
)

// Formats are all of them.
func Formats() []Format { return []Format{ClientCert, PEM, Envoy} }

// Bounds of a header: bytes, and certificates in it.
const (
	maxHeader = 32 << 10
	maxChain  = 8
)

// Parse reads the values of such a header. Absent values, and one that is empty, are nil, nil: the client presented nothing. Two values, and
// what is no certificate, are errors, without the text of the header.
func Parse(format Format, values []string) (*Certificate, error) {
	switch {
	case len(values) == 0 || len(values) == 1 && values[0] == "":
		return nil, nil
	case len(values) > 1:
		return nil, errors.New("mtls: the header of the client certificate is there more than once")
	case len(values[0]) > maxHeader:
		return nil, errors.New("mtls: the header of the client certificate is too long")
	}
	var chain []*x509.Certificate
	var err error
	switch format {
	case ClientCert:
		chain, err = parseClientCert(values[0])
	case PEM:
		chain, err = parsePEM(values[0])
	case Envoy:
		chain, err = parseXFCC(values[0])
	default:
		err = errors.New("mtls: the format of client certificates is not known")
	}
	if err != nil {
		return nil, err
	}
	return &Certificate{Leaf: chain[0], Intermediates: chain[1:]}, nil
}

var errNoCertificate = errors.New("mtls: the header of the client certificate cannot be read")

// parseClientCert reads a Byte Sequence (RFC 8941 §3.3.5) without parameters.
func parseClientCert(s string) ([]*x509.Certificate, error) {
	s = strings.Trim(s, " \t")
	if len(s) < 2 || s[0] != ':' || s[len(s)-1] != ':' {
		return nil, errNoCertificate
	}
	c, err := parseBase64(s[1 : len(s)-1])
	if err != nil {
		return nil, err
	}
	return []*x509.Certificate{c}, nil
}

func parseBase64(s string) (*x509.Certificate, error) {
	if strings.ContainsAny(s, "\r\n") { // the decoder would skip them
		return nil, errNoCertificate
	}
	der, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil, errNoCertificate
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, errNoCertificate // the cause may quote names
	}
	return c, nil
}

const (
	pemBegin = "-----BEGIN CERTIFICATE-----"
	pemEnd   = "-----END CERTIFICATE-----"
)

// parsePEM reads one certificate or more.
func parsePEM(s string) ([]*x509.Certificate, error) {
	if strings.IndexByte(s, '%') >= 0 {
		var err error
		if s, err = url.PathUnescape(s); err != nil { // a plus is part of base64
			return nil, errNoCertificate
		}
	}
	var chain []*x509.Certificate
	for part := range strings.SplitSeq(s, ",") {
		for {
			part = strings.Trim(part, whiteSpace)
			body, rest := part, ""
			if after, ok := strings.CutPrefix(part, pemBegin); ok {
				if body, rest, ok = strings.Cut(after, pemEnd); !ok {
					return nil, errNoCertificate
				}
			}
			c, err := parseBase64(strings.Map(withoutSpace, body))
			if err != nil || len(chain) == maxChain {
				return nil, errNoCertificate
			}
			chain = append(chain, c)
			if part = strings.Trim(rest, whiteSpace); part == "" {
				break
			}
		}
	}
	return chain, nil
}

const whiteSpace = " \t\r\n"

func withoutSpace(c rune) rune {
	if strings.ContainsRune(whiteSpace, c) {
		return -1
	}
	return c
}

// parseXFCC reads x-forwarded-client-cert: pairs of key=value with a semicolon between them. A value in quotes may have one too.
//
// Envoy writes URI and DNS as they are in the client's certificate, without quotes, so that who makes a certificate can write pairs of their own
// behind Envoy's, and a whole element behind a comma. So there is one element, no key that counts comes twice, and Hash, which stands before
// everything that the client has a say in, tells whose Cert is.
func parseXFCC(s string) ([]*x509.Certificate, error) {
	pairs := map[string]string{}
	for {
		key, value, rest, end, ok := nextPair(s)
		_, again := pairs[key]
		if !ok || end == ',' || again && (key == "cert" || key == "chain" || key == "hash") {
			return nil, errNoCertificate
		}
		pairs[key] = value
		if end == 0 {
			break
		}
		s = rest
	}
	if pairs["cert"] == "" {
		return nil, errNoCertificate
	}
	leaf, err := parsePEM(pairs["cert"])
	if err != nil {
		return nil, err
	}
	if hash, told := pairs["hash"]; len(leaf) != 1 || told && !isDigest(hash, leaf[0]) {
		return nil, errNoCertificate
	}
	if pairs["chain"] == "" {
		return leaf, nil
	}
	chain, err := parsePEM(pairs["chain"])
	if err != nil {
		return nil, err
	}
	if chain[0].Equal(leaf[0]) { // Envoy writes the whole chain
		chain = chain[1:]
	}
	return append(leaf, chain...), nil
}

// isDigest reports whether hash is the SHA-256 of a certificate in hexadecimal.
func isDigest(hash string, c *x509.Certificate) bool {
	sum := sha256.Sum256(c.Raw)
	return strings.EqualFold(hash, hex.EncodeToString(sum[:]))
}

// nextPair reads up to a semicolon or comma, which is end, or to the end of s, which is 0. Keys come back in lower case.
func nextPair(s string) (key, value, rest string, end byte, ok bool) {
	key, s, ok = strings.Cut(s, "=")
	key = strings.ToLower(strings.Trim(key, " \t"))
	if !ok || key == "" || strings.Trim(key, "abcdefghijklmnopqrstuvwxyz") != "" {
		return "", "", "", 0, false
	}
	if !strings.HasPrefix(s, `"`) {
		i := strings.IndexAny(s, ";,")
		if i < 0 {
			return key, s, "", 0, !strings.Contains(s, `"`)
		}
		return key, s[:i], s[i+1:], s[i], !strings.Contains(s[:i], `"`)
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case c == '"':
			rest = strings.TrimLeft(s[i+1:], " \t")
			if rest == "" {
				return key, b.String(), "", 0, true
			}
			return key, b.String(), rest[1:], rest[0], rest[0] == ';' || rest[0] == ','
		default:
			b.WriteByte(c)
		}
	}
	return "", "", "", 0, false // no closing quote
}

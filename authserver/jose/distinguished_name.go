package jose

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	// maxDN bounds a distinguished name in bytes, and maxRDN the names in it.
	maxDN  = 1024
	maxRDN = 32
	// maxAttribute bounds one value in characters, the most that X.520 allows of any of them; CN and its like have less.
	maxAttribute = 256
)

// attributeTypes are the names that a distinguished name may use (RFC 4514 §3, RFC 4519), and
// the address and number that certificates are asked for with.
var attributeTypes = map[string]asn1.ObjectIdentifier{
	"CN": {2, 5, 4, 3}, "SN": {2, 5, 4, 4}, "SERIALNUMBER": {2, 5, 4, 5}, "C": {2, 5, 4, 6}, "L": {2, 5, 4, 7}, "ST": {2, 5, 4, 8},
	"STREET": {2, 5, 4, 9}, "O": {2, 5, 4, 10}, "OU": {2, 5, 4, 11}, "TITLE": {2, 5, 4, 12}, "GN": {2, 5, 4, 42},
	"DC": {0, 9, 2342, 19200300, 100, 1, 25}, "UID": {0, 9, 2342, 19200300, 100, 1, 1},
	"E": oidEmail, "EMAILADDRESS": oidEmail,
}

var (
	oidEmail   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}
	oidDomain  = attributeTypes["DC"]
	oidCountry = attributeTypes["C"]
)

// ParseDN reads a distinguished name in the form of RFC 4514: "CN=Shop, O=Example, C=GB". The values
// are text; those in hexadecimal ("#04…") are not read. Space around names is ignored. What comes back is
// the DER of the Name (RFC 5280 §4.1.2.4).
func ParseDN(text string) ([]byte, error) {
	if len(text) > maxDN {
		return nil, fmt.Errorf("a distinguished name has at most %d bytes", maxDN)
	}
	if !utf8.ValidString(text) || strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return nil, errors.New("a distinguished name is printable UTF-8 text")
	}
	var names pkix.RDNSequence
	var set pkix.RelativeDistinguishedNameSET
	for rest := text; ; {
		a, after, end, err := readAttribute(rest)
		if err != nil {
			return nil, err
		}
		set = append(set, a)
		if end != '+' {
			names, set = append(names, set), nil
		}
		if end == 0 {
			break
		}
		if len(names)+len(set) == maxRDN {
			return nil, fmt.Errorf("a distinguished name has at most %d parts", maxRDN)
		}
		rest = after
	}
	slices.Reverse(names) // the text begins with the last one (RFC 4514 §2.1)
	der, err := asn1.Marshal(names)
	if err != nil {
		return nil, errors.New("the distinguished name cannot be encoded")
	}
	return der, nil
}

// readAttribute reads up to a "," or "+" behind one type=value; end is that sign, or 0.
func readAttribute(s string) (a pkix.AttributeTypeAndValue, rest string, end byte, err error) {
	name, value, ok := strings.Cut(s, "=")
	if !ok {
		return a, "", 0, errors.New("a part of the distinguished name has no \"=\": CN=name is expected")
	}
	if a.Type, err = attributeType(strings.TrimSpace(name)); err != nil {
		return a, "", 0, err
	}
	text, rest, end, err := readValue(strings.TrimLeft(value, " "))
	if err != nil {
		return a, "", 0, err
	}
	if n := utf8.RuneCountInString(text); n == 0 || n > maxAttribute {
		return a, "", 0, fmt.Errorf("a value of the distinguished name has 1 to %d characters", maxAttribute)
	}
	a.Value = text
	switch {
	case a.Type.Equal(oidCountry):
		if len(text) != 2 || strings.Trim(strings.ToUpper(text), "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			return a, "", 0, errors.New("the C of a distinguished name is a country of two letters (RFC 5280 §A.1)")
		}
	case a.Type.Equal(oidEmail), a.Type.Equal(oidDomain):
		for i := range len(text) {
			if text[i] >= 0x80 {
				return a, "", 0, errors.New("an address in a distinguished name is ASCII (RFC 5280 §4.1.2.6)")
			}
		}
		a.Value = asn1.RawValue{Tag: asn1.TagIA5String, Bytes: []byte(text)}
	}
	return a, rest, end, nil
}

// attributeType knows a name in any case, and an OID in dots (RFC 4512 §1.4).
func attributeType(name string) (asn1.ObjectIdentifier, error) {
	if oid, ok := attributeTypes[strings.ToUpper(name)]; ok {
		return oid, nil
	}
	var oid asn1.ObjectIdentifier
	for part := range strings.SplitSeq(strings.TrimPrefix(name, "OID."), ".") {
		n, err := strconv.ParseUint(part, 10, 31)
		if err != nil || strconv.FormatUint(n, 10) != part || len(oid) == 20 {
			return nil, errors.New("a part of the distinguished name has a type that is not known: CN, OU, O, L, ST, C, STREET, DC, UID and others are")
		}
		oid = append(oid, int(n))
	}
	if len(oid) < 2 || oid[0] > 2 || oid[0] < 2 && oid[1] > 39 {
		return nil, errors.New("a part of the distinguished name has a type that is not known")
	}
	return oid, nil
}

// readValue reads an attribute's value (RFC 4514 §2.4) up to a "," or "+" that is not escaped.
func readValue(s string) (value, rest string, end byte, err error) {
	if strings.HasPrefix(s, "#") {
		return "", "", 0, errors.New("values in hexadecimal are not read: write the text, with \\# for a #")
	}
	var b strings.Builder
	spaces := 0 // at the end, not escaped
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case ',', '+':
			return b.String()[:b.Len()-spaces], s[i+1:], c, checkText(b.String())
		case '"', ';', '<', '>':
			return "", "", 0, fmt.Errorf("a %q in a distinguished name is written with a \\ before it", c)
		case '\\':
			c, used, ok := unescapeDN(s[i+1:])
			if !ok {
				return "", "", 0, errors.New("a \\ in a distinguished name stands before a special character or two hexadecimal digits")
			}
			i, spaces = i+used, 0
			b.WriteByte(c)
		case ' ':
			spaces++
			b.WriteByte(c)
		default:
			spaces = 0
			b.WriteByte(c)
		}
	}
	return b.String()[:b.Len()-spaces], "", 0, checkText(b.String())
}

// checkText looks at what escapes may have put together.
func checkText(s string) error {
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return errors.New("a distinguished name is printable UTF-8 text")
	}
	return nil
}

// unescapeDN reads what stands behind a backslash.
func unescapeDN(s string) (c byte, used int, ok bool) {
	if s == "" {
		return 0, 0, false
	}
	if strings.IndexByte(` "#+,;<=>\`, s[0]) >= 0 {
		return s[0], 1, true
	}
	if len(s) < 2 {
		return 0, 0, false
	}
	n, err := strconv.ParseUint(s[:2], 16, 8)
	return byte(n), 2, err == nil
}

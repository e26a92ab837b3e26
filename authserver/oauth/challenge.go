package oauth

import "strings"

// Challenge is one WWW-Authenticate value (RFC 9110 §11.6.1).
type Challenge struct {
	Scheme string // "Bearer", "Basic", "DPoP"
	Params []Param
}

// Param is one auth-param; its value is always written as a quoted string.
type Param struct{ Name, Value string }

// String renders the challenge. Characters that RFC 6750 §3 does not allow in
// an attribute (control characters, '"', '\', anything outside ASCII) become
// spaces or apostrophes, so that no input can end the quoted string.
func (c Challenge) String() string {
	var b strings.Builder
	b.WriteString(c.Scheme)
	for i, p := range c.Params {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte(' ')
		b.WriteString(p.Name)
		b.WriteString(`="`)
		for j := 0; j < len(p.Value); j++ {
			switch ch := p.Value[j]; {
			case ch == '"' || ch == '\\':
				b.WriteByte('\'')
			case ch < 0x20 || ch > 0x7e:
				b.WriteByte(' ')
			default:
				b.WriteByte(ch)
			}
		}
		b.WriteByte('"')
	}
	return b.String()
}

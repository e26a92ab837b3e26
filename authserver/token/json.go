package token

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// The few JSON values that are written on every request, without reflection.

func member(b []byte, name, value string) []byte {
	return text(key(b, name), value)
}

func seconds(b []byte, name string, t time.Time) []byte {
	return strconv.AppendInt(key(b, name), t.Unix(), 10)
}

func array(b []byte, name string, values []string) []byte {
	b = append(key(b, name), '[')
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = text(b, v)
	}
	return append(b, ']')
}

// key appends a member's name, which never needs escaping, and the comma in
// front of it.
func key(b []byte, name string) []byte {
	if last := b[len(b)-1]; last != '{' {
		b = append(b, ',')
	}
	b = append(b, '"')
	b = append(b, name...)
	return append(b, '"', ':')
}

func text(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			quoted, err := json.Marshal(s)
			if err != nil {
				panic(err) // a string
			}
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

func join(scope []string) string { return strings.Join(scope, " ") }

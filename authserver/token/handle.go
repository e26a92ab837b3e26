package token

import (
	"strconv"
	"strings"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
)

// Handle names the record without being a credential: "<jti>-<exp>", exp in seconds. ParseHandle reads one.
func (r *Record) Handle() string {
	return r.ID + "-" + strconv.FormatInt(r.ExpiresAt.Unix(), 10)
}

// maxHandleExpiry is the largest exp of a handle: the year 9999.
const maxHandleExpiry = 253402300799

// ParseHandle reads what Handle has written; ok is false for anything else.
func ParseHandle(text string) (id string, expires time.Time, ok bool) {
	at := strings.LastIndexByte(text, '-')
	if at < 0 {
		return "", time.Time{}, false
	}
	id, rest := text[:at], text[at+1:]
	seconds, err := strconv.ParseInt(rest, 10, 64)
	// One spelling only: no sign, no leading zero.
	if err != nil || seconds <= 0 || seconds > maxHandleExpiry || rest[0] == '+' || rest[0] == '0' || !secret.IsID(id) {
		return "", time.Time{}, false
	}
	return id, time.Unix(seconds, 0).UTC(), true
}

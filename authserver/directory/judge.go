package directory

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/pattern"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// judge collects what is wrong with a document, so that one answer names all of it.
type judge struct{ problems []Problem }

// verdict is nil, or an Invalid one.
func (j *judge) verdict() error {
	if len(j.problems) == 0 {
		return nil
	}
	return Invalid(j.problems...)
}

// add says what is wrong with target.
func (j *judge) add(code, target, format string, args ...any) {
	j.problems = append(j.problems, Problemf(code, target, format, args...))
}

// inner is add with an innerError.
func (j *judge) inner(inner map[string]any, code, target, format string, args ...any) {
	p := Problemf(code, target, format, args...)
	p.Inner = inner
	j.problems = append(j.problems, p)
}

// named wants a name for people: there, of at most most characters, and of one line.
func (j *judge) named(target, value string, most int) {
	switch {
	case value == "":
		j.add(RequiredValue, target, "must not be empty")
	case strings.TrimSpace(value) == "":
		j.add(EmptyValue, target, "must not be blank")
	default:
		j.text(target, value, most)
	}
}

// text wants at most most characters without control characters.
func (j *judge) text(target, value string, most int) {
	switch {
	case utf8.RuneCountInString(value) > most:
		j.inner(map[string]any{"maximumValue": most}, SizeLimitExceeded, target, "must not have more than %d characters", most)
	case !utf8.ValidString(value) || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }):
		j.add(InvalidValue, target, "must not have control characters")
	}
}

// oneOf wants a value of a closed set.
func (j *judge) oneOf(target, value string, allowed ...string) bool {
	switch {
	case value == "":
		j.inner(map[string]any{"allowedValues": allowed}, RequiredValue, target, "must be one of %s", strings.Join(allowed, ", "))
	case !slices.Contains(allowed, value):
		j.inner(map[string]any{"allowedValues": allowed}, InvalidValue, target, "must be one of %s", strings.Join(allowed, ", "))
	default:
		return true
	}
	return false
}

// eachOf wants values of a closed set, each once.
func (j *judge) eachOf(target string, values []string, allowed ...string) {
	for i, value := range values {
		if !j.oneOf(target, value, allowed...) {
			return
		}
		if slices.Contains(values[:i], value) {
			j.add(InvalidValue, target, "must not have %s twice", value)
			return
		}
	}
}

// within wants a number of a range; nil is not there.
func (j *judge) within(target string, value *int64, least, most int64) {
	if value != nil && (*value < least || *value > most) {
		j.inner(map[string]any{"rangeMinimumValue": least, "rangeMaximumValue": most}, OutOfRange, target, "must be from %d to %d", least, most)
	}
}

// webAddress wants an https URL, or an http one of this machine; nil is not there.
func (j *judge) webAddress(target string, value *string) {
	if value != nil && !webAddress(*value) {
		j.add(InvalidValue, target, "must be an https URL, or an http URL of localhost or 127.0.0.1")
	}
}

// webAddress reports whether a person's browser may be sent to an address.
func webAddress(raw string) bool {
	if len(raw) > maxAddress || strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r > '~' || r == '\\' || r == '"' }) {
		return false
	}
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" || u.User != nil || u.Opaque != "" {
		return false
	}
	switch u.Scheme {
	case "https":
		return true
	case "http":
		switch u.Hostname() {
		case "localhost", "127.0.0.1", "::1":
			return true
		}
	}
	return false
}

const (
	maxText     = 1024
	maxAddress  = 2048
	maxDuration = math.MaxInt32 // seconds
)

// importedID is what an ID may look like that somebody brings along: PingOne wants
// at least 8 characters, and these need no escape anywhere.
var importedID = pattern.New(`^[A-Za-z0-9][A-Za-z0-9._~-]{7,127}$`)

// application is the application that the object judged belongs to.
func (c *Checking) application(ctx context.Context) (*Application, error) {
	it, err := c.Live.Item(ctx, c.Environment, store.KindApplication, "", c.Parent)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, NotFound()
	case err != nil:
		return nil, oauth.CannotTell("find application", err)
	case it.Declared != "":
		return nil, IsDeclared(it.Declared)
	case it.Registered:
		return nil, Invalid(Problemf(ConstraintViolation, "id", "The client registered itself, and is changed through its registration"))
	}
	application, ok := it.Document.(*Application)
	if !ok {
		return nil, fmt.Errorf("directory: application %s is a %T", it.ID, it.Document)
	}
	return application, nil
}

// siblings goes over the objects of a kind that have the same parent as the one
// judged, itself included.
func (c *Checking) siblings(ctx context.Context, kind store.ObjectKind, each func(*Item) error) error {
	for after := ""; ; {
		items, next, err := c.Live.Items(ctx, c.Environment, kind, c.Parent, after, pageOfSiblings)
		if err != nil {
			return oauth.CannotTell("list objects", err)
		}
		for _, it := range items {
			if err := each(it); err != nil {
				return err
			}
		}
		if after = next; next == "" {
			return nil
		}
	}
}

const pageOfSiblings = 200

// storedID reports whether an ID may be that of something that is stored.
func storedID(id string) bool { return secret.IsID(id) || importedID.MatchString(id) }

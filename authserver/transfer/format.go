package transfer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/pattern"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// The first line of a file.
const (
	formatName    = "gatehouse-environment"
	formatVersion = 1
)

const (
	// maxLine bounds a line in bytes; a document that the API takes is a quarter of it at most.
	maxLine = 4 << 20
	// maxDepth is how deep a line may be nested; what the API takes is half of it at most.
	maxDepth = 64
)

// header is the first line.
type header struct {
	Format       string `json:"format"`
	Version      int    `json:"version"`
	Environment  string `json:"environment"` // its ID
	Organization string `json:"organization"`
	Secrets      bool   `json:"secrets"`
	Users        bool   `json:"users"`
}

// object is a line of the file: an object of the environment, or a person. Sealed is
// its secret part, see seal.
type object struct {
	Kind     store.ObjectKind `json:"kind"`
	ID       string           `json:"id"`
	Parent   string           `json:"parent,omitempty"`
	Document json.RawMessage  `json:"document"`
	Sealed   []byte           `json:"sealed,omitempty"`
}

// trailer is the last line. A file without it is not whole.
type trailer struct {
	End bool `json:"end"`
}

// level is one kind of lines.
type level struct {
	kind     store.ObjectKind
	child    bool // the objects have parents
	document func() directory.Document
}

// levels are the kinds in the order of a file: what an object refers to is of a level before its own.
var levels = []level{
	{store.KindPopulation, false, func() directory.Document { return new(directory.Population) }},
	{store.KindKeyRotationPolicy, false, func() directory.Document { return new(directory.KeyRotationPolicy) }},
	{store.KindKey, false, nil},
	{store.KindResource, false, func() directory.Document { return new(directory.Resource) }},
	{store.KindResourceAttribute, true, func() directory.Document { return new(directory.ResourceAttribute) }},
	{store.KindScope, true, func() directory.Document { return new(directory.Scope) }},
	{store.KindApplication, false, func() directory.Document { return new(directory.Application) }},
	{store.KindApplicationAttribute, true, func() directory.Document { return new(directory.ApplicationAttribute) }},
	{store.KindSecret, true, func() directory.Document { return new(directory.Secret) }},
	{store.KindGrant, true, func() directory.Document { return new(directory.Grant) }},
	{store.KindUser, false, nil},
	{store.KindRoleAssignment, true, func() directory.Document { return new(directory.RoleAssignment) }},
	{store.KindSubscription, false, func() directory.Document { return new(directory.Subscription) }},
}

func levelOf(kind store.ObjectKind) int {
	return slices.IndexFunc(levels, func(l level) bool { return l.kind == kind })
}

// anID is what an ID may look like: those that configuration chooses are no UUIDs.
var anID = pattern.New(`^[A-Za-z0-9][A-Za-z0-9._~-]{0,127}$`)

// writer writes lines.
type writer struct {
	w   *bufio.Writer
	enc *json.Encoder
}

func newWriter(w io.Writer) *writer {
	b := bufio.NewWriterSize(w, 64<<10)
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false) // addresses have ampersands; nobody takes this for a page
	return &writer{b, enc}
}

func (w *writer) line(v any) error { return w.enc.Encode(v) }

// lines reads a file line by line.
type lines struct {
	scan *bufio.Scanner
	n    int // of the line that was read last
}

func newLines(r io.Reader) *lines {
	scan := bufio.NewScanner(r)
	scan.Buffer(make([]byte, 64<<10), maxLine)
	return &lines{scan: scan}
}

// next gives the next line; false at the end. It is good until the next call.
func (l *lines) next() (line []byte, ok bool, err error) {
	if l.scan.Scan() {
		l.n++
		return l.scan.Bytes(), true, nil
	}
	switch err := l.scan.Err(); {
	case err == nil:
		return nil, false, nil
	case errors.Is(err, bufio.ErrTooLong):
		l.n++
		return nil, false, invalid("must not be longer than %d bytes", maxLine)
	default:
		return nil, false, oauth.InvalidRequest("The file could not be read to its end").WithCause(err)
	}
}

// invalid is about a line that cannot be what it should be.
func invalid(format string, args ...any) error {
	return directory.Invalid(directory.Problemf(directory.InvalidValue, "line", format, args...))
}

// decode reads one JSON object with known members, each once, at any depth. The error does not
// repeat what was read.
func decode(b []byte, v any) error {
	if err := web.OneObject(b, maxDepth); err != nil {
		return err
	}
	return known(b, v)
}

// known is decode for what is part of something that decode has read.
func known(b []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if b = bytes.TrimSpace(b); len(b) == 0 || b[0] != '{' {
		return errors.New("is not the JSON object that is expected")
	}
	err := dec.Decode(v)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		kind, _, _ := strings.Cut(wrong.Value, " ")
		return fmt.Errorf("has a %s as its member %s", kind, wrong.Field)
	}
	if err != nil {
		if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
			return fmt.Errorf("has the unknown member %s", name)
		}
		return errors.New("is not the JSON object that is expected")
	}
	return nil
}

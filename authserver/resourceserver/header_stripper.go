package resourceserver

import (
	"io"
	"net/http"
	"slices"
	"strings"
)

// HeaderStripper removes identity headers that a client sent: every
// spelling of the names that an upstream may fold to one of them (case, and '-', '_', '.' and whatever else is neither letter nor digit), any
// number of times, in trailers too, and from the list in Connection, by which a client could
// otherwise have the header removed that is set later. It is prepared once and safe for concurrent use.
type HeaderStripper struct {
	names []string // folded
	// lengths has the lengths of names: most headers are told apart by it. Names
	// longer than 63 bytes share the last bit.
	lengths uint64
}

// NewHeaderStripper prepares the removal of these headers.
func NewHeaderStripper(names ...string) *HeaderStripper {
	s := &HeaderStripper{}
	for _, name := range names {
		folded := []byte(name)
		for i, c := range folded {
			folded[i] = fold[c]
		}
		if !slices.Contains(s.names, string(folded)) {
			s.names = append(s.names, string(folded))
			s.lengths |= lengthBit(len(folded))
		}
	}
	return s
}

// fold maps the characters that CGI-like interfaces do not tell apart to one: '-' and '_' (RFC 3875 §4.1.18), and, since some servers
// (lighttpd is one) write '_' for all that no environment variable has, every other character of header names but letters and digits.
var fold = func() (t [256]byte) {
	for i := range t {
		c := byte(i)
		switch {
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		case strings.IndexByte("!#$%&'*+.^_`|~", c) >= 0: // RFC 9110 §5.6.2
			c = '-'
		}
		t[i] = c
	}
	return t
}()

// SameHeader reports whether an upstream may take one name of a header for the other.
func SameHeader(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if fold[a[i]] != fold[b[i]] {
			return false
		}
	}
	return true
}

func lengthBit(n int) uint64 { return 1 << min(n, 63) }

// has reports whether an upstream may take name for one of the identity headers.
func (s *HeaderStripper) has(name string) bool {
	if s.lengths&lengthBit(len(name)) == 0 {
		return false
	}
	return slices.ContainsFunc(s.names, func(folded string) bool {
		if len(folded) != len(name) {
			return false
		}
		for i := 0; i < len(name); i++ {
			if fold[name[i]] != folded[i] {
				return false
			}
		}
		return true
	})
}

// Strip removes the headers from r. It must run on every request, those
// included that no token is asked of.
func (s *HeaderStripper) Strip(r *http.Request) {
	if len(s.names) == 0 {
		return
	}
	for name := range r.Header {
		if s.has(name) {
			delete(r.Header, name)
		}
	}
	s.StripConnection(r.Header)
	if r.Trailer != nil {
		s.stripTrailer(r)
	}
}

// StripConnection removes the names from the list in Connection (RFC 9110 §7.6.1) alone: for headers that are a request's own and must reach the
// upstream, though its client may call them the connection's.
func (s *HeaderStripper) StripConnection(h http.Header) {
	lines, ok := h["Connection"]
	if !ok {
		return
	}
	named := func(option string) bool { return s.has(strings.Trim(option, " \t")) }
	if !slices.ContainsFunc(lines, func(line string) bool {
		for option := range strings.SplitSeq(line, ",") {
			if named(option) {
				return true
			}
		}
		return false
	}) {
		return
	}
	var kept []string
	for _, line := range lines {
		options := slices.DeleteFunc(strings.Split(line, ","), named)
		if len(options) > 0 {
			kept = append(kept, strings.Join(options, ","))
		}
	}
	if len(kept) == 0 {
		delete(h, "Connection")
		return
	}
	h["Connection"] = kept
}

// StripTrailer removes the headers from the trailers of r alone.
func (s *HeaderStripper) StripTrailer(r *http.Request) {
	if r.Trailer != nil {
		s.stripTrailer(r)
	}
}

// stripTrailer removes announced trailers now, and all others when the body has been
// read to its end: net/http adds to r.Trailer then, announced or not.
func (s *HeaderStripper) stripTrailer(r *http.Request) {
	s.deleteFrom(r.Trailer)
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = &trailerBody{ReadCloser: r.Body, trailer: r.Trailer, stripper: s}
	}
}

func (s *HeaderStripper) deleteFrom(h http.Header) {
	for name := range h {
		if s.has(name) {
			delete(h, name)
		}
	}
}

// trailerBody is a request body whose trailers are cleaned at its end.
type trailerBody struct {
	io.ReadCloser
	trailer  http.Header
	stripper *HeaderStripper
}

// Read reads the body.
func (b *trailerBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.stripper.deleteFrom(b.trailer)
	}
	return n, err
}

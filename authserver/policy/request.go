package policy

import (
	"net/http"
	"net/textproto"
	"net/url"
	"reflect"
	"strings"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

// headers is the map of a request's headers: names in lower case, several values joined by commas.
type headers http.Header

// hidden are headers that carry credentials: no condition reads them.
var hidden = map[string]bool{"Authorization": true, "Cookie": true, "Dpop": true, "Proxy-Authorization": true}

// Find implements traits.Mapper. What is there under another spelling too is not judged. Whatever the case that an expression writes a name in, it is the same header: a negation would be met otherwise.
func (h headers) Find(key ref.Val) (ref.Val, bool) {
	name, ok := key.(types.String)
	if !ok {
		return nil, false
	}
	canonical := textproto.CanonicalMIMEHeaderKey(string(name))
	values, ok := h[canonical]
	switch {
	case hidden[canonical]:
		return nil, false
	case h.twin(canonical):
		return types.WrapErr(ErrMalformed), true
	case !ok || len(values) == 0:
		return nil, false
	}
	if len(values) == 1 {
		return text(values[0]), true
	}
	return text(strings.Join(values, ", ")), true
}

// Get implements traits.Indexer.
func (h headers) Get(key ref.Val) ref.Val { return get(h, key) }

// Contains implements traits.Container.
func (h headers) Contains(key ref.Val) ref.Val {
	v, ok := h.Find(key)
	if ok && types.IsError(v) {
		return v // whether it is there is what upstreams do not agree about
	}
	return types.Bool(ok)
}

// twin reports whether a header is there that an upstream may take for the one of that name, or for a part of it: those with CGI-like interfaces do not tell
// hyphen, underscore and the like apart (RFC 3875 §4.1.18). What it says may be something else.
func (h headers) twin(canonical string) bool {
	for name := range h {
		if name != canonical && resourceserver.SameHeader(name, canonical) {
			return true
		}
	}
	return false
}

// Size implements traits.Sizer.
func (h headers) Size() ref.Val { return h.all().Size() }

// Iterator implements traits.Iterable.
func (h headers) Iterator() traits.Iterator { return h.all().Iterator() }

func (h headers) all() traits.Mapper {
	all := make(map[string]any, len(h))
	for name, values := range h {
		if !hidden[name] && len(values) > 0 {
			all[strings.ToLower(name)] = strings.Join(values, ", ")
		}
	}
	return types.NewStringInterfaceMap(adapter{}, all)
}

// ConvertToNative implements ref.Val.
func (h headers) ConvertToNative(t reflect.Type) (any, error) { return h.all().ConvertToNative(t) }

// ConvertToType implements ref.Val.
func (h headers) ConvertToType(t ref.Type) ref.Val { return h.all().ConvertToType(t) }

// Equal implements ref.Val.
func (h headers) Equal(other ref.Val) ref.Val { return h.all().Equal(other) }

// Type implements ref.Val.
func (h headers) Type() ref.Type { return types.MapType }

// Value implements ref.Val.
func (h headers) Value() any { return h.all().Value() }

// query is the map of a request's parameters. Where some cannot be read, an upstream may read them: the condition is not judged.
func query(raw string) ref.Val {
	if len(raw) > maxText {
		return types.WrapErr(ErrTooLong)
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return types.WrapErr(ErrMalformed)
	}
	all := make(map[string]any, len(values))
	for name, list := range values {
		all[name] = list
	}
	return adapter{}.NativeToValue(all)
}

var _ traits.Mapper = headers(nil)

package policy

import (
	"encoding/json"
	"math"
	"reflect"
	"strconv"
	"strings"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

// adapter makes CEL's values of those that JSON decodes to. Lists and objects are wrapped, not converted: what an expression does not reach costs
// nothing, and nothing has to be kept for the next request.
type adapter struct{}

// NativeToValue implements types.Adapter.
func (a adapter) NativeToValue(v any) ref.Val {
	switch v := v.(type) {
	case ref.Val:
		return v
	case string:
		return text(v)
	case json.Number:
		return number(v.String())
	case []string:
		return newTexts(v)
	case []any:
		if len(v) > maxList {
			return types.WrapErr(ErrTooLong)
		}
		return list{types.NewDynamicList(a, v), v}
	case map[string]any:
		if len(v) > maxList {
			return types.WrapErr(ErrTooLong)
		}
		return types.NewStringInterfaceMap(a, v)
	}
	return types.DefaultTypeAdapter.NativeToValue(v)
}

func text(s string) ref.Val {
	if len(s) > maxText {
		return types.WrapErr(ErrTooLong)
	}
	return types.String(s)
}

// number is an int for what is written as a whole number, a double for all else. What neither can tell from its neighbours is not judged.
func number(s string) ref.Val {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return types.Int(n)
	}
	if !strings.ContainsAny(s, ".eE") {
		return types.WrapErr(ErrTooLong)
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(f, 0) {
		return types.WrapErr(ErrTooLong)
	}
	return types.Double(f)
}

// list is a JSON array, in which a text is found without making values of all elements.
type list struct {
	traits.Lister
	elements []any
}

// Contains implements traits.Container.
func (l list) Contains(v ref.Val) ref.Val {
	wanted, ok := v.(types.String)
	if !ok {
		return l.Lister.Contains(v)
	}
	for _, e := range l.elements {
		if s, ok := e.(string); ok && s == string(wanted) {
			return types.True
		}
	}
	return types.False
}

// texts is a list of texts.
type texts struct {
	traits.Lister
	elements []string
}

func newTexts(elements []string) ref.Val {
	if len(elements) > maxList {
		return types.WrapErr(ErrTooLong)
	}
	return texts{types.NewStringList(adapter{}, elements), elements}
}

// Contains implements traits.Container.
func (l texts) Contains(v ref.Val) ref.Val {
	wanted, ok := v.(types.String)
	if !ok {
		return l.Lister.Contains(v)
	}
	for _, e := range l.elements {
		if e == string(wanted) {
			return types.True
		}
	}
	return types.False
}

// claims is the map of a token's claims. A claim is decoded when it is asked for.
type claims struct{ *jose.Claims }

// Find implements traits.Mapper.
func (c claims) Find(key ref.Val) (ref.Val, bool) {
	name, ok := key.(types.String)
	if !ok {
		return nil, false
	}
	if s, ok := c.Text(string(name)); ok {
		return text(s), true
	}
	v, ok := c.Claims.Value(string(name))
	if !ok {
		return nil, false
	}
	return adapter{}.NativeToValue(v), true
}

// Get implements traits.Indexer.
func (c claims) Get(key ref.Val) ref.Val { return get(c, key) }

// Contains implements traits.Container.
func (c claims) Contains(key ref.Val) ref.Val {
	name, ok := key.(types.String)
	return types.Bool(ok && c.Has(string(name)))
}

// Size implements traits.Sizer.
func (c claims) Size() ref.Val { return types.Int(len(c.Names())) }

// Iterator implements traits.Iterable.
func (c claims) Iterator() traits.Iterator { return c.all().Iterator() }

// all is the map with every claim in it, for what hardly anybody asks.
func (c claims) all() traits.Mapper {
	all := make(map[string]any)
	for _, name := range c.Names() {
		all[name], _ = c.Claims.Value(name)
	}
	return types.NewStringInterfaceMap(adapter{}, all)
}

// ConvertToNative implements ref.Val.
func (c claims) ConvertToNative(t reflect.Type) (any, error) { return c.all().ConvertToNative(t) }

// ConvertToType implements ref.Val.
func (c claims) ConvertToType(t ref.Type) ref.Val { return c.all().ConvertToType(t) }

// Equal implements ref.Val.
func (c claims) Equal(other ref.Val) ref.Val { return c.all().Equal(other) }

// Type implements ref.Val.
func (c claims) Type() ref.Type { return types.MapType }

// Value implements ref.Val.
func (c claims) Value() any { return c.all().Value() }

func get(m traits.Mapper, key ref.Val) ref.Val {
	if v, ok := m.Find(key); ok {
		return v
	}
	return types.WrapErr(ErrAbsent)
}

var (
	_ types.Adapter = adapter{}
	_ traits.Mapper = claims{}
	_ traits.Lister = list{}
)

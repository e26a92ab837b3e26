package management

import (
	"encoding"
	"encoding/json"
	"path"
	"reflect"
	"strings"
	"time"
	"unicode"
)

// schemas are the JSON Schemas (2020-12) of Go types, as encoding/json writes
// them: each struct under a name of its own.
type schemas struct {
	made  map[string]any
	names map[string]string // of types, by import path and name
}

// enumerated types say which values they have.
type enumerated interface{ Values() []string }

var (
	typeTime   = reflect.TypeFor[time.Time]()
	typeRaw    = reflect.TypeFor[json.RawMessage]()
	typeNumber = reflect.TypeFor[json.Number]()
	marshaler  = reflect.TypeFor[json.Marshaler]()
	textual    = reflect.TypeFor[encoding.TextMarshaler]()
	enum       = reflect.TypeFor[enumerated]()
)

// of is the schema of a value's type.
func (s *schemas) of(v any) map[string]any { return s.schema(reflect.TypeOf(v)) }

func (s *schemas) schema(t reflect.Type) map[string]any {
	switch t {
	case typeTime:
		return map[string]any{"type": "string", "format": "date-time"}
	case typeRaw:
		return map[string]any{}
	case typeNumber:
		return map[string]any{"type": "number"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.schema(t.Elem())
	case reflect.String:
		text := map[string]any{"type": "string"}
		if t.Implements(enum) {
			text["enum"] = reflect.Zero(t).Interface().(enumerated).Values()
		}
		return text
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return map[string]any{"type": "integer"}
	case reflect.Float32, reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return map[string]any{"type": "string"}
		}
		return map[string]any{"type": "array", "items": s.schema(t.Elem())}
	case reflect.Map:
		object := map[string]any{"type": "object"}
		if values := s.schema(t.Elem()); len(values) > 0 {
			object["additionalProperties"] = values
		}
		return object
	case reflect.Struct:
		return s.structure(t)
	}
	return map[string]any{} // an interface: anything
}

// structure is a reference to the schema of a struct, made on first use.
func (s *schemas) structure(t reflect.Type) map[string]any {
	switch pointer := reflect.PointerTo(t); {
	case pointer.Implements(textual):
		return map[string]any{"type": "string"}
	case pointer.Implements(marshaler):
		return map[string]any{} // it writes itself as it likes
	case t.Name() == "":
		return s.inline(t)
	}
	key := t.PkgPath() + "." + t.Name()
	name, known := s.names[key]
	if !known {
		name = s.name(t)
		s.names[key], s.made[name] = name, map[string]any{} // before its members, which may refer to it
		s.made[name] = s.inline(t)
	}
	return map[string]any{"$ref": "#/components/schemas/" + name}
}

// name is a name for a type that no other one has.
func (s *schemas) name(t reflect.Type) string {
	name := t.Name()
	for _, suffix := range []string{"View", "Shape"} {
		name = strings.TrimSuffix(name, suffix)
	}
	name = title(name)
	if s.made[name] != nil {
		name = title(path.Base(t.PkgPath())) + title(t.Name())
	}
	return name
}

func title(name string) string {
	if name == "" {
		return ""
	}
	return string(unicode.ToUpper(rune(name[0]))) + name[1:]
}

// inline is the schema of a struct itself.
func (s *schemas) inline(t reflect.Type) map[string]any {
	properties := map[string]any{}
	var required []string
	s.members(t, properties, &required)
	object := map[string]any{"type": "object", "properties": properties}
	if len(required) > 0 {
		object["required"] = required
	}
	return object
}

// members adds those of t, and of the structs that it embeds.
func (s *schemas) members(t reflect.Type, properties map[string]any, required *[]string) {
	for i := range t.NumField() {
		f := t.Field(i)
		tag, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		inner := f.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		switch {
		case tag == "-" && options == "":
		case f.Anonymous && tag == "" && inner.Kind() == reflect.Struct:
			s.members(inner, properties, required)
		case !f.IsExported():
		default:
			if tag == "" {
				tag = f.Name
			}
			properties[tag] = s.schema(f.Type)
			if !strings.Contains(options, "omit") && f.Type.Kind() != reflect.Pointer {
				*required = append(*required, tag)
			}
		}
	}
}

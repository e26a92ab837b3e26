package legacy

import "encoding/json"

// object is a JSON object whose members are written in the order in which they were set: that of
// AM. A name that is there stays as it is.
type object struct {
	text []byte
	has  map[string]bool
}

// set adds a member, unless there is one of that name.
func (o *object) set(name string, value any) {
	if o.has[name] {
		return
	}
	if o.has == nil {
		o.has = map[string]bool{}
	}
	o.has[name] = true
	o.text = append(o.text, ',')
	o.text = append(o.text, mustMarshal(name)...)
	o.text = append(o.text, ':')
	o.text = append(o.text, mustMarshal(value)...)
}

// bytes is the object.
func (o *object) bytes() []byte {
	if len(o.text) == 0 {
		return []byte("{}")
	}
	b := append(make([]byte, 0, len(o.text)+1), o.text...)
	b[0] = '{'
	return append(b, '}')
}

// copy adds a member of another object, where it is there.
func (o *object) copy(name string, from map[string]json.RawMessage) {
	if value, ok := from[name]; ok {
		o.set(name, value)
	}
}

// reserve keeps a name from being set.
func (o *object) reserve(name string) {
	if o.has == nil {
		o.has = map[string]bool{}
	}
	o.has[name] = true
}

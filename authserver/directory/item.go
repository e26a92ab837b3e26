package directory

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Item is an object as it is now.
type Item struct {
	store.Object
	Document Document
	// Declared says where configuration declares it ("Caddyfile:12"); "" for others. Such an object cannot be
	// changed.
	Declared string
	// Builtin: every environment has it. What it says may be changed where its kind allows that. Version is 0
	// as long as nobody has.
	Builtin bool
	// Registered: a client that registered itself (RFC 7591). It can be deleted and not changed.
	Registered bool
}

// item reads a stored object. What cannot be read is an error, and never as if
// it were not there.
func (l *Live) item(o store.Object) (*Item, error) {
	k, err := kindOf(o.Kind)
	if err != nil {
		return nil, err
	}
	it := &Item{Object: o, Document: k.document()}
	if err := json.Unmarshal(o.Data, it.Document); err != nil {
		return nil, fmt.Errorf("read %s %s: %w", o.Kind, o.ID, err)
	}
	s, sealing := it.Document.(Sealing)
	if !sealing || len(o.Sealed) == 0 {
		return it, nil
	}
	sealer, err := l.Sealer(false)
	if err != nil {
		return nil, fmt.Errorf("open %s %s: %w", o.Kind, o.ID, err)
	}
	plain, err := sealer.Open(o.Sealed, additional(&o))
	if err == nil {
		err = s.SetSecretPart(plain)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s %s: %w", o.Kind, o.ID, err)
	}
	return it, nil
}

// fill writes a document into an object: its JSON, its keys, and sealed what is
// not to be read. sealer may be nil for what is not going to be stored.
func fill(o *store.Object, d Document, sealer func(create bool) (*secret.Sealer, error)) error {
	data, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("write %s %s: %w", o.Kind, o.ID, err)
	}
	first := len(o.Sealed) == 0
	o.Data, o.Sealed, o.Unique, o.Lookups = data, nil, nil, nil
	if k, ok := d.(Keyed); ok {
		o.Unique, o.Lookups = k.Keys()
	}
	s, sealing := d.(Sealing)
	if !sealing || sealer == nil {
		return nil
	}
	plain, err := s.SecretPart()
	if err != nil || plain == nil {
		return err
	}
	with, err := sealer(first)
	if err == nil {
		o.Sealed, err = with.Seal(plain, additional(o))
	}
	if err != nil {
		return fmt.Errorf("seal %s %s: %w", o.Kind, o.ID, err)
	}
	return nil
}

// additional binds what is sealed to the object, so that it opens nowhere else.
func additional(o *store.Object) []byte {
	return []byte(strings.Join([]string{"gatehouse object", o.Environment, string(o.Kind), o.ID}, "\x00"))
}

// copied is an item of its own: a document that is changed shows nowhere else.
func (l *Live) copied(it *Item) (*Item, error) {
	k, err := kindOf(it.Kind)
	if err != nil {
		return nil, err
	}
	c := *it
	c.Document = k.document()
	if err := json.Unmarshal(it.Data, c.Document); err != nil {
		return nil, fmt.Errorf("copy %s %s: %w", it.Kind, it.ID, err)
	}
	from, sealing := it.Document.(Sealing)
	if !sealing {
		return &c, nil
	}
	plain, err := from.SecretPart()
	if err == nil && plain != nil {
		err = c.Document.(Sealing).SetSecretPart(plain)
	}
	return &c, err
}

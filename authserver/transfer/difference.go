package transfer

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// What a Difference says is done.
const (
	actionCreate = "create"
	actionUpdate = "update"
	actionDelete = "delete"
	actionNote   = "note"
)

// Difference is one object of which the environment says something else than the file, or, with Action "note", what
// somebody has to know about one.
type Difference struct {
	Line    int              `json:"line,omitempty"` // of the file; 0 for what is deleted
	Action  string           `json:"action"`         // create, update, delete or note
	Kind    store.ObjectKind `json:"kind"`
	ID      string           `json:"id"`
	Parent  string           `json:"parent,omitempty"`
	Name    string           `json:"name,omitempty"`
	Changes []MemberChange   `json:"changes,omitempty"` // of an update
	Secret  bool             `json:"secret,omitempty"`  // what is sealed is another one; it is never shown
	Note    string           `json:"note,omitempty"`
}

// MemberChange is a member of a document that is another one. nil is for a member that is not there.
type MemberChange struct {
	Member string          `json:"member"` // "name", "corsSettings.behavior"
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
}

// changes are the members in which two documents differ, by name.
func changes(before, after []byte) []MemberChange {
	if bytes.Equal(before, after) {
		return nil
	}
	return compare("", before, after)
}

func compare(under string, before, after []byte) (found []MemberChange) {
	var old, new map[string]json.RawMessage
	if json.Unmarshal(before, &old) != nil || json.Unmarshal(after, &new) != nil || old == nil || new == nil {
		if bytes.Equal(before, after) {
			return nil
		}
		return []MemberChange{{under, before, after}}
	}
	names := maps.Clone(old)
	maps.Copy(names, new)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		at := name
		if under != "" {
			at = under + "." + name
		}
		switch a, b := old[name], new[name]; {
		case a == nil:
			found = append(found, MemberChange{Member: at, After: b})
		case b == nil:
			found = append(found, MemberChange{Member: at, Before: a})
		default:
			found = append(found, compare(at, a, b)...)
		}
	}
	return found
}

package transfer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// moved is the ID in this environment of what has id in the file: another one for what every environment has.
func (im *importer) moved(id string) string {
	if to, ok := im.ids[id]; ok {
		return to
	}
	return id
}

// document reads the document of a line, with the IDs of this environment and its secret part.
func (im *importer) document(o *object, fileID string) (directory.Document, error) {
	d := levels[levelOf(o.Kind)].document()
	if err := known(im.rename(o.Document), d); err != nil {
		return nil, invalid("has a document that %s", err)
	}
	if len(o.Sealed) == 0 {
		return d, nil
	}
	s, ok := d.(directory.Sealing)
	if !ok {
		return nil, invalid("must not have a sealed part")
	}
	at := *o
	at.ID = fileID
	part, err := im.opened(&at)
	if err != nil {
		return nil, err
	}
	if err := s.SetSecretPart(part); err != nil {
		return nil, invalid("has a sealed part of something else")
	}
	return d, nil
}

// certificateNames is the member of an application that says whom its certificate names. That is what an authority has written, and no
// reference, whatever it looks like.
const certificateNames = "tlsClientAuthSubject"

// rename replaces the IDs of what every environment has wherever a document names them.
func (im *importer) rename(document []byte) []byte {
	if len(im.ids) == 0 {
		return document
	}
	var v any
	dec := json.NewDecoder(bytes.NewReader(document))
	dec.UseNumber()
	if dec.Decode(&v) != nil {
		return document // it was read before
	}
	v, renamed := im.renameIn(v)
	if !renamed {
		return document
	}
	b, err := json.Marshal(v)
	if err != nil {
		return document
	}
	return b
}

func (im *importer) renameIn(v any) (_ any, renamed bool) {
	switch v := v.(type) {
	case string:
		to, ok := im.ids[v]
		if !ok {
			return v, false
		}
		return to, true
	case []any:
		for i := range v {
			var one bool
			v[i], one = im.renameIn(v[i])
			renamed = renamed || one
		}
		return v, renamed
	case map[string]any:
		for name := range v {
			if name == certificateNames {
				continue
			}
			var one bool
			v[name], one = im.renameIn(v[name])
			renamed = renamed || one
		}
		return v, renamed
	}
	return v, false
}

// object makes of a line what is to be done about it; nil for nothing.
func (im *importer) object(ctx context.Context, o *object) (*change, error) {
	fileID := im.original(o.ID)
	d, err := im.document(o, fileID)
	if err != nil {
		return nil, err
	}
	old, err := im.Live.Item(ctx, im.env, o.Kind, o.Parent, o.ID)
	if errors.Is(err, store.ErrNotFound) {
		old, err = nil, nil
	}
	if err != nil {
		return nil, err
	}
	c := &change{
		Change:     directory.Change{Kind: o.Kind, ID: o.ID, Parent: o.Parent, Document: d},
		difference: Difference{Action: actionCreate, Kind: o.Kind, ID: o.ID, Parent: o.Parent, Name: d.Label()},
	}
	if old != nil {
		// As it is written there may be nothing to do, whatever Check would say of it by now.
		if same, err := im.differ(c, old, d, len(o.Sealed) > 0); same || err != nil {
			return nil, err
		}
		if old.Declared != "" {
			return nil, directory.IsDeclared(old.Declared)
		}
	}
	im.lose(c, d, old)
	checking := &directory.Checking{
		Environment: im.env, Live: im.Live, ID: o.ID, Parent: o.Parent, Now: im.Writer.Now().UTC(),
	}
	if old != nil {
		checking.Old, checking.Builtin = old.Document, old.Builtin
	}
	switch err := d.Check(ctx, checking); {
	case err == nil:
	case im.dry && refused(err) && im.pending(o):
		// It refers to what the import makes before it. Whether it is good is seen then.
	case im.dry && im.o.Prune && notUnique(err):
		// What has that already may be what goes.
	default:
		return nil, err
	}
	if old != nil {
		if same, err := im.differ(c, old, d, len(o.Sealed) > 0); same || err != nil {
			return nil, err
		}
	}
	if a, ok := d.(*directory.RoleAssignment); ok && (im.o.MayGive == nil || !im.o.MayGive(a)) {
		return nil, directory.Invalid(directory.Problemf("INSUFFICIENT_PERMISSIONS", "role",
			"cannot be given by somebody who does not have all that it gives, at the same or a broader scope"))
	}
	if f, ok := d.(directory.Founding); ok && old == nil {
		im.found(c, f.Companions(checking), fileID)
	}
	return c, nil
}

// original is the ID that the file has for what has id here.
func (im *importer) original(id string) string {
	if from, ok := im.back[id]; ok {
		return from
	}
	return id
}

// notUnique reports whether all that is wrong is that something else has the same.
func notUnique(err error) bool {
	e, ok := errors.AsType[*oauth.Error](err)
	return ok && len(e.Details) > 0 && !slices.ContainsFunc(e.Details, func(d oauth.Detail) bool { return d.Code != directory.UniquenessViolation })
}

// differ fills in what is different; same is true where nothing is.
func (im *importer) differ(c *change, old *directory.Item, d directory.Document, sealed bool) (same bool, err error) {
	before, err := json.Marshal(old.Document)
	if err != nil {
		return false, fmt.Errorf("encode %s %s: %w", c.Kind, c.ID, err)
	}
	after, err := json.Marshal(d)
	if err != nil {
		return false, fmt.Errorf("encode %s %s: %w", c.Kind, c.ID, err)
	}
	c.difference.Action, c.difference.Changes, c.difference.Secret = actionUpdate, changes(before, after), false
	if sealed {
		a, err := secretPart(old.Document)
		if err != nil {
			return false, err
		}
		b, err := secretPart(d)
		if err != nil {
			return false, err
		}
		c.difference.Secret = !bytes.Equal(a, b)
	}
	return len(c.difference.Changes) == 0 && !c.difference.Secret, nil
}

func secretPart(d directory.Document) ([]byte, error) {
	s, ok := d.(directory.Sealing)
	if !ok {
		return nil, nil
	}
	return s.SecretPart()
}

// pending reports whether a line names something that does not exist yet, because this is a dry run.
func (im *importer) pending(o *object) bool {
	if _, ok := im.making[sum("", o.Parent)]; ok {
		return true
	}
	var v any
	if json.Unmarshal(im.rename(o.Document), &v) != nil {
		return false
	}
	return im.names(v)
}

func (im *importer) names(v any) bool {
	switch v := v.(type) {
	case string:
		_, ok := im.making[sum("", v)]
		return ok
	case []any:
		for i := range v {
			if im.names(v[i]) {
				return true
			}
		}
	case map[string]any:
		for name := range v {
			if im.names(v[name]) {
				return true
			}
		}
	}
	return false
}

// found adds what is created along with a new object, as far as the file does not have it.
func (im *importer) found(c *change, companions []directory.New, fileID string) {
	for _, n := range companions {
		kind := n.Document.Kind()
		switch kind {
		case store.KindSecret:
			if im.inFile(kind, fileID) {
				continue
			}
			if a, ok := c.Document.(*directory.Application); !ok || a.UsesSecret() {
				c.difference.Note = "A new secret was drawn: the file has none."
			}
		case store.KindApplicationAttribute, store.KindResourceAttribute:
			if im.inFile(coreOf+kind, fileID) {
				continue
			}
		default:
			continue // roles are given by lines of their own
		}
		if n.ID == "" {
			n.ID = im.Writer.NewID()
		}
		if n.Parent == "" {
			n.Parent = c.ID
		}
		c.after = append(c.after, &change{
			Change: directory.Change{Kind: kind, ID: n.ID, Parent: n.Parent, Document: n.Document},
		})
	}
}

// lose takes away what a file without secrets cannot bring along: values of a webhook's headers.
func (im *importer) lose(c *change, d directory.Document, old *directory.Item) {
	s, ok := d.(*directory.Subscription)
	if !ok {
		return
	}
	var before *directory.Subscription
	if old != nil {
		before, _ = old.Document.(*directory.Subscription)
	}
	if lost := s.LoseHeaders(before); len(lost) > 0 {
		c.difference.Note = "Values of headers are not in the file, and have to be set again: " + strings.Join(lost, ", ") + "."
	}
}

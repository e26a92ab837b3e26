package transfer

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// ExportOptions say what a file has beside the objects that are managed. Secrets includes client secrets, webhook
// secrets, keys and password hashes, sealed with the server's own key, so that only a server with the same one can read
// them. Declared includes what configuration declares. Users includes people.
type ExportOptions struct{ Secrets, Declared, Users bool }

// pageSize is how many objects are read at once.
const pageSize = 500

// exporter writes one file.
type exporter struct {
	*Transfer
	env    *store.Environment
	o      ExportOptions
	sealer *secret.Sealer // nil without Secrets
	out    *writer
}

// Export writes an environment as lines of JSON, in an order that depends on nothing but what is in it: two exports of
// the same are the same, but for what is sealed. An error leaves a file without its last line, which Import refuses.
func (t *Transfer) Export(ctx context.Context, env *store.Environment, w io.Writer, o ExportOptions) error {
	x := &exporter{Transfer: t, env: env, o: o, out: newWriter(w)}
	if o.Secrets {
		var err error
		if x.sealer, err = t.Sealer(false); err != nil {
			return oauth.CannotTell("seal an export", err)
		}
	}
	err := x.out.line(header{formatName, formatVersion, env.ID, env.Organization, o.Secrets, o.Users})
	if err != nil {
		return err
	}
	for _, l := range levels {
		switch l.kind {
		case store.KindUser:
			if !o.Users {
				continue
			}
			err = x.users(ctx)
		case store.KindKey:
			if !o.Secrets {
				continue
			}
			err = x.keys(ctx)
		case store.KindSecret:
			if !o.Secrets {
				continue
			}
			err = x.objects(ctx, l.kind)
		default:
			err = x.objects(ctx, l.kind)
		}
		if err != nil {
			return err
		}
	}
	if err := x.out.line(trailer{true}); err != nil {
		return err
	}
	return x.out.w.Flush()
}

// objects writes all of a kind by ID: built-in ones that were changed, declared ones where they are wanted, stored ones.
func (x *exporter) objects(ctx context.Context, kind store.ObjectKind) error {
	var given []*directory.Item // by ID within each stretch; as many as configuration has
	for after := ""; ; {
		items, next, err := x.Live.Items(ctx, x.env, kind, "", after, pageSize)
		if err != nil {
			return err
		}
		for _, it := range items {
			switch {
			case it.Registered, it.Builtin && it.Version == 0, it.Declared != "" && !x.o.Declared:
			case it.Builtin:
				switch _, left, err := x.asBuiltin(ctx, x.env, it); {
				case err != nil:
					return err
				case left != nil:
					given = insert(given, it)
				}
			case it.Declared != "":
				given = insert(given, it)
			default:
				if given, err = x.before(given, it.ID); err != nil {
					return err
				}
				if err := x.object(it); err != nil {
					return err
				}
			}
		}
		if after = next; next == "" {
			break
		}
	}
	_, err := x.before(given, "")
	return err
}

// asBuiltin is what a built-in object says as long as nobody has changed it, and what is different of it.
func (t *Transfer) asBuiltin(ctx context.Context, env *store.Environment, it *directory.Item) (directory.Document, []MemberChange, error) {
	d, err := t.Live.Builtin(ctx, env, it.Kind, it.ID)
	if err != nil {
		return nil, nil, err
	}
	before, err := json.Marshal(it.Document)
	if err != nil {
		return nil, nil, fmt.Errorf("encode %s %s: %w", it.Kind, it.ID, err)
	}
	after, err := json.Marshal(d)
	if err != nil {
		return nil, nil, fmt.Errorf("encode %s %s: %w", it.Kind, it.ID, err)
	}
	return d, changes(before, after), nil
}

// before writes those of given that come before id, or all for "", and returns the others.
func (x *exporter) before(given []*directory.Item, id string) ([]*directory.Item, error) {
	for len(given) > 0 && (id == "" || given[0].ID < id) {
		if err := x.object(given[0]); err != nil {
			return nil, err
		}
		given = given[1:]
	}
	return given, nil
}

func (x *exporter) object(it *directory.Item) error {
	document, err := json.Marshal(it.Document)
	if err != nil {
		return fmt.Errorf("encode %s %s: %w", it.Kind, it.ID, err)
	}
	o := object{Kind: it.Kind, ID: it.ID, Parent: it.Parent, Document: document}
	if s, ok := it.Document.(directory.Sealing); ok && x.o.Secrets {
		part, err := s.SecretPart()
		if err != nil {
			return fmt.Errorf("secret part of %s %s: %w", it.Kind, it.ID, err)
		}
		if part != nil {
			if o.Sealed, err = seal(x.sealer, part, x.env.ID, it.Kind, it.ID); err != nil {
				return err
			}
		}
	}
	return x.out.line(o)
}

// users writes people by ID.
func (x *exporter) users(ctx context.Context) error {
	var given []*store.User
	write := func(id string) error {
		for len(given) > 0 && (id == "" || given[0].ID < id) {
			if err := x.user(ctx, given[0]); err != nil {
				return err
			}
			given = given[1:]
		}
		return nil
	}
	s := store.UserScan{Environment: x.env.ID, Limit: pageSize}
	for {
		page, err := x.Live.ScanUsers(ctx, s)
		if err != nil {
			return err
		}
		for i := range page {
			u := &page[i]
			s.After = u.Mark
			switch {
			case u.Declared && x.o.Declared:
				given = append(given, &u.User) // by ID, all of them before those that are stored
			case u.Declared:
			default:
				if err := write(u.ID); err != nil {
					return err
				}
				if err := x.user(ctx, &u.User); err != nil {
					return err
				}
			}
		}
		if len(page) < s.Limit {
			return write("")
		}
	}
}

func (x *exporter) user(ctx context.Context, u *store.User) error {
	document, err := json.Marshal(describe(u))
	if err != nil {
		return fmt.Errorf("encode user %s: %w", u.ID, err)
	}
	o := object{Kind: store.KindUser, ID: u.ID, Document: document}
	if x.o.Secrets {
		part, err := x.credentialOf(ctx, x.env, u)
		if err != nil {
			return err
		}
		if part != nil {
			b, err := json.Marshal(part)
			if err != nil {
				return fmt.Errorf("encode credential of user %s: %w", u.ID, err)
			}
			if o.Sealed, err = seal(x.sealer, b, x.env.ID, o.Kind, o.ID); err != nil {
				return err
			}
		}
	}
	return x.out.line(o)
}

// insert puts an item into a list that is by ID.
func insert(list []*directory.Item, it *directory.Item) []*directory.Item {
	i := len(list)
	for i > 0 && list[i-1].ID > it.ID {
		i--
	}
	list = append(list, nil)
	copy(list[i+1:], list[i:])
	list[i] = it
	return list
}

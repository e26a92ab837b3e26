package transfer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/keys"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// ImportOptions say how a file is taken. DryRun changes nothing and reports the difference; Prune deletes what the file
// does not have.
type ImportOptions struct {
	DryRun, Prune bool
	// MayGive reports whether who imports may give a role: nobody gives more than they have. nil: none.
	MayGive func(*directory.RoleAssignment) bool
	// Keys: signing keys may be taken over. They can be known to somebody, who could then be anyone in the environment.
	Keys bool
}

// Progress is said now and then while an import runs.
type Progress struct {
	Line    int `json:"line"` // of the file
	Created int `json:"created"`
	Updated int `json:"updated"`
	Deleted int `json:"deleted"`
	Same    int `json:"same"`
}

const (
	// batchSize is how many changes are one transaction.
	batchSize = 500
	// batchTimeout bounds a transaction, which goes on when whoever asked for it has gone.
	batchTimeout = time.Minute
	// tellEvery is after how many lines progress is told that nothing came of.
	tellEvery = 5000
)

// importer reads one file into one environment.
type importer struct {
	*Transfer
	actor  directory.Actor
	env    *store.Environment
	o      ImportOptions
	tell   func(Progress, *Difference)
	dry    bool // nothing is written in this run
	header header
	sealer *secret.Sealer    // of a file with secrets
	ids    map[string]string // of what every environment has: those in the file to those here
	back   map[string]string // the other way round
	spool  *spool

	// seen are the objects of the file by a sum of kind and ID, and the parents of core attributes. That is some 40 bytes
	// for each, and with claimed all that an import keeps of a file.
	seen map[[16]byte]struct{}
	// making are the IDs of what a dry run would have made by now.
	making      map[[16]byte]struct{}
	claimed     map[[16]byte]struct{} // unique keys of this run, and usernames
	populations map[string]bool       // those known to be there

	progress Progress
	batch    []*change
	late     []numbered      // of the level of batch, behind all others of it
	moving   []*change       // keys
	ring     map[string]bool // IDs of the environment's keys; nil until a key asks
	told     int             // the line at which progress was told
}

// change is what is to be done about a line.
type change struct {
	directory.Change
	line       int
	difference Difference
	key        *keys.Moving
	after      []*change // once this one is done: what is created along with it
}

// numbered is a line of the file that waits for others.
type numbered struct {
	line   int
	object object
}

// namesItsLike reports whether an object names another one of its kind, as the first population does with the default one.
func namesItsLike(o *object) bool {
	var p directory.Population
	return o.Kind == store.KindPopulation && known(o.Document, &p) == nil && p.DefaultPopulation != ""
}

// Import reads what Export wrote into env. tell hears of progress and, in a dry run, of each difference; otherwise of those
// alone that somebody has to know about. The error is an *Error, or that of ctx; see the package's
// comment for what is left behind then. One import at a time goes into an environment, and a few into a server; another one is refused.
func (t *Transfer) Import(ctx context.Context, a directory.Actor, env *store.Environment, r io.Reader, o ImportOptions, tell func(Progress, *Difference)) (Progress, error) {
	im := &importer{
		Transfer: t, actor: a, env: env, o: o, tell: tell, seen: map[[16]byte]struct{}{},
	}
	leave, err := t.enter(env)
	if err != nil {
		return Progress{}, &Error{Err: err}
	}
	defer leave()
	if im.spool, err = newSpool(); err != nil {
		return Progress{}, &Error{Err: oauth.CannotTell("keep the file", err)}
	}
	defer im.spool.close()
	if err := im.read(ctx, r); err != nil {
		return Progress{}, err
	}
	if o.Prune && !o.DryRun {
		// What a file would break is found before anything is deleted for it.
		if err := im.run(ctx, true, func(Progress, *Difference) {}); err != nil {
			return Progress{}, err
		}
	}
	err = im.run(ctx, o.DryRun, tell)
	return im.progress, err
}

// read checks the file as far as it alone says what is wrong, and keeps it.
func (im *importer) read(ctx context.Context, r io.Reader) error {
	in := newLines(r)
	fail := func(err error) error { return im.failed(in.n, nil, err) }
	line, ok, err := in.next()
	switch {
	case err != nil:
		return fail(err)
	case !ok:
		return fail(invalid("must be there: the file is empty"))
	}
	if err := im.begin(line); err != nil {
		return fail(err)
	}
	last := 0
	for {
		line, ok, err := in.next()
		switch {
		case err != nil:
			return fail(err)
		case !ok:
			return fail(invalid("must be followed by the last one: the file is not whole"))
		case ctx.Err() != nil:
			return ctx.Err()
		}
		var o object
		if err := decodeLine(line, &o); err != nil {
			var t trailer
			if decode(line, &t) == nil && t.End {
				break
			}
			return fail(invalid("%s", err))
		}
		if err := im.admit(&o, &last); err != nil {
			return im.failed(in.n, &o, err)
		}
		if err := im.spool.write(line); err != nil {
			return fail(oauth.CannotTell("keep the file", err))
		}
	}
	if _, more, err := in.next(); err != nil || more {
		return fail(errors.Join(err, invalid("must not follow the last one")))
	}
	return nil
}

// begin reads the first line.
func (im *importer) begin(line []byte) error {
	h := &im.header
	if err := decode(line, h); err != nil || h.Format != formatName {
		return invalid("must be the first of a file of the format %s", formatName)
	}
	if h.Version != formatVersion {
		return invalid("is of version %d of the format; version %d is known here", h.Version, formatVersion)
	}
	if !secret.IsID(h.Environment) {
		return invalid("must say the ID of the environment that the file is of")
	}
	if h.Secrets {
		var err error
		if im.sealer, err = im.Sealer(false); err != nil {
			return oauth.CannotTell("open what is sealed", err)
		}
	}
	im.ids = directory.Moved(&store.Environment{ID: h.Environment, Organization: h.Organization}, im.env)
	im.back = map[string]string{}
	for from, to := range im.ids {
		im.back[to] = from
	}
	return nil
}

// admit judges a line by itself and by those before it.
func (im *importer) admit(o *object, last *int) error {
	at := levelOf(o.Kind)
	switch {
	case at < 0:
		return invalid("has an unknown kind")
	case at < *last:
		return invalid("of a %s must not follow one of a %s", o.Kind, levels[*last].kind)
	case !anID.MatchString(o.ID):
		return invalid("must have an ID of at most 128 letters, digits, and . _ ~ -")
	case levels[at].child && !anID.MatchString(o.Parent):
		return invalid("must have a parent")
	case !levels[at].child && o.Parent != "":
		return invalid("must not have a parent")
	case o.Kind == store.KindSecret && o.Parent != o.ID:
		return invalid("must have the ID of its parent")
	case len(o.Sealed) > 0 && !im.header.Secrets:
		return invalid("must not have a sealed part: the first line says that there are none")
	case (o.Kind == store.KindSecret || o.Kind == store.KindKey) && len(o.Sealed) == 0:
		return invalid("must have a sealed part")
	case o.Kind == store.KindUser && !im.header.Users:
		return invalid("must not be a user: the first line says that there are none")
	}
	*last = at
	if len(o.Sealed) > 0 {
		if _, err := im.opened(o); err != nil {
			return err
		}
	}
	var d directory.Document
	switch {
	case o.Kind == store.KindKey:
		var k signingKey
		if err := known(o.Document, &k); err != nil {
			return invalid("has a document that %s", err)
		}
		if err := k.check(); err != nil {
			return err
		}
	case o.Kind == store.KindUser:
		var p person
		if err := known(o.Document, &p); err != nil {
			return invalid("has a document that %s", err)
		}
		if err := p.check(); err != nil {
			return err
		}
	default:
		d = levels[at].document()
		if err := known(o.Document, d); err != nil {
			return invalid("has a document that %s", err)
		}
	}
	if im.inFile(o.Kind, o.ID) {
		return invalid("is there twice")
	}
	im.seen[sum(o.Kind, o.ID)] = struct{}{}
	if core(d) {
		im.seen[sum(coreOf+o.Kind, o.Parent)] = struct{}{}
	}
	return nil
}

// coreOf makes of a kind the key of parents of which the file has the core one of that kind.
const coreOf = store.ObjectKind("core ")

// core reports whether a document is an attribute that its parent always has.
func core(d directory.Document) bool {
	switch d := d.(type) {
	case *directory.ApplicationAttribute:
		return d.MappingType == directory.AttributeCore
	case *directory.ResourceAttribute:
		return d.Type == directory.AttributeCore
	}
	return false
}

// sum stands for an object. IDs are as in the file.
func sum(kind store.ObjectKind, id string) (s [16]byte) {
	h := sha256.Sum256([]byte(string(kind) + "\x00" + id))
	copy(s[:], h[:])
	return s
}

// inFile reports whether the file has an object. id is as in the file or, for what every environment has, as here.
func (im *importer) inFile(kind store.ObjectKind, id string) bool {
	_, ok := im.seen[sum(kind, id)]
	return ok
}

func (im *importer) opened(o *object) ([]byte, error) {
	return open(im.sealer, im.header.Environment, o)
}

// failed says where an import failed. o is nil where it is not about an object.
func (im *importer) failed(line int, o *object, err error) error {
	e := &Error{Line: line, Err: err}
	if o != nil {
		e.Kind, e.ID = o.Kind, o.ID
	}
	return e
}

// decodeLine reads a line of an object.
func decodeLine(line []byte, o *object) error {
	if err := decode(line, o); err != nil {
		return err
	}
	if len(o.Document) == 0 || o.Kind == "" || o.ID == "" {
		return fmt.Errorf("must have kind, id and document")
	}
	return nil
}

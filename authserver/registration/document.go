package registration

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// maxDocumentURL is the longest client identifier of this kind, in bytes: it is kept with every token, and people are to read it.
const maxDocumentURL = 512

// Documents finds the clients whose identifier is the address of their metadata (draft-ietf-oauth-client-id-metadata-document). They
// are what a public client is that registered itself, in every environment that accepts them. Safe for concurrent use.
type Documents struct {
	Cache *DocumentCache
	// Registrar has the rules of metadata.
	Registrar *Registrar
	// NoLimit exempts addresses from their part of what may be fetched, not from what there is for all. Default: nobody.
	NoLimit func(address string) bool

	mu    sync.Mutex
	known map[documentOf]verdict
}

type documentOf struct{ environment, id string }

// verdict is what became of one document in one environment.
type verdict struct {
	of     *document
	env    *store.Environment
	client *store.Client // nil where it is no good there
}

// Client gives the client of an identifier. store.ErrNotFound: it is no address that may be one, env does not accept it, or the document
// is not there or no good; temporarily_unavailable where that cannot be told now.
func (d *Documents) Client(ctx context.Context, env *store.Environment, id string) (*store.Client, error) {
	u := d.address(env, id)
	if u == nil {
		return nil, store.ErrNotFound
	}
	doc, err := d.Cache.get(ctx, u, func() asker { return d.asker(ctx) })
	if err != nil {
		return nil, err
	}
	key := documentOf{env.ID, id}
	d.mu.Lock()
	v, ok := d.known[key]
	d.mu.Unlock()
	if !ok || v.of != doc || v.env != env {
		v = verdict{of: doc, env: env, client: d.judge(ctx, env, u, doc)}
		d.remember(key, v)
	}
	if v.client == nil {
		return nil, store.ErrNotFound
	}
	return v.client, nil
}

// judge makes the client of a document, nil where it is no good. Environments have rules of their own: what one of them refuses is another
// one's client as before.
func (d *Documents) judge(ctx context.Context, env *store.Environment, u *url.URL, doc *document) *store.Client {
	client, err := d.Registrar.judgeDocument(ctx, env, u, doc.body)
	if err != nil {
		d.Cache.refuse(doc, u, err)
		return nil
	}
	d.Cache.accept(doc)
	return client
}

func (d *Documents) remember(key documentOf, v verdict) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.known == nil || len(d.known) >= maxDocuments {
		d.known = map[documentOf]verdict{}
	}
	d.known[key] = v
}

// IsDocument reports whether an identifier could be the address of a document: no other client's looks like that.
func IsDocument(id string) bool {
	return strings.HasPrefix(id, "https://") || strings.HasPrefix(id, "http://")
}

// address is the URL of an identifier, nil where it is none (draft §3): written as everybody would write it, since identifiers are compared
// byte for byte, of a host that env accepts, and with a path. http is for loopback hosts, where configuration allows that at all.
func (d *Documents) address(env *store.Environment, id string) *url.URL {
	r := &env.Registration
	if !r.Documents || len(id) > maxDocumentURL || !IsDocument(id) || strings.ContainsFunc(id, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return nil
	}
	u, err := d.Cache.Client.Strangers().CheckURL(id)
	switch {
	case err != nil || u.String() != id:
		return nil
	case u.Host != strings.ToLower(u.Host) || strings.HasSuffix(u.Hostname(), "."):
		return nil
	case !strings.HasPrefix(u.Path, "/") || dotted(u.EscapedPath()):
		return nil
	case len(r.DocumentHosts) > 0 && !slices.Contains(r.DocumentHosts, u.Host):
		return nil
	}
	return u
}

// dotted reports whether a path has a segment that is "." or "..", however it is written.
func dotted(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		switch strings.ReplaceAll(strings.ToLower(segment), "%2e", ".") {
		case ".", "..":
			return true
		}
	}
	return false
}

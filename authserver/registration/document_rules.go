package registration

import (
	"context"
	"net/url"
	"slices"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// judgeDocument makes the client of the document at u: the rules of registration, and those of the draft (§4.1). Other than who
// registers, the author of a document writes for every server that there is: grant and response types that are not for such a client
// are left out of what it gets.
//
// Diverges: RFC 7591 §2 has client_secret_basic for a document that names no method; here that is none, because there is
// no secret that it could mean (draft §4.1).
func (r *Registrar) judgeDocument(ctx context.Context, env *store.Environment, u *url.URL, text []byte) (*store.Client, error) {
	m, err := read(text)
	if err != nil {
		return nil, err
	}
	if m.doc.ClientID != u.String() {
		return nil, invalid("client_id is not the address of the document")
	}
	for _, name := range []string{"client_secret", "client_secret_expires_at"} {
		if m.doc.Has(name) {
			return nil, invalid("%s must not be in a document", name)
		}
	}
	j := newJudged(m)
	j.document = true
	if err := j.judge(ctx, r, env); err != nil {
		return nil, err
	}
	c := j.client
	c.Environment, c.ID = env.ID, u.String()
	c.PKCE = store.PKCES256Required
	// Who it is, nobody vouches for but the host that the document comes from: people see that first (draft §8.4).
	if c.Name = u.Host; j.client.Name != "" {
		c.Name += " – " + j.client.Name
	}
	return &c, nil
}

// forDocument keeps of a list what a client with a document may have.
func (j *judged) forDocument(list []string, may ...string) []string {
	if !j.document {
		return list
	}
	return slices.DeleteFunc(list, func(s string) bool { return !slices.Contains(may, s) })
}

// methods are those of client authentication; the first is the default.
func (j *judged) methods() []string {
	if j.document {
		return []string{oauth.AuthNone, oauth.AuthPrivateKeyJWT}
	}
	return []string{
		oauth.AuthClientSecretBasic, oauth.AuthClientSecretPost, oauth.AuthClientSecretJWT, oauth.AuthPrivateKeyJWT,
		oauth.AuthTLSClient, oauth.AuthSelfSignedTLS, oauth.AuthNone,
	}
}

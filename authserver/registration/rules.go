package registration

import (
	"context"
	"slices"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// judged is a document that passed every rule.
type judged struct {
	*metadata
	client store.Client // without id and secrets
	// document: it is a metadata document, see Documents.
	document bool
}

// needsSecret reports whether the client authenticates with a secret of ours.
func (j *judged) needsSecret() bool {
	switch j.client.AuthMethod {
	case oauth.AuthClientSecretBasic, oauth.AuthClientSecretPost, oauth.AuthClientSecretJWT:
		return true
	}
	return false
}

// judge reads a document and applies every rule of an environment to it.
func (r *Registrar) judge(ctx context.Context, env *store.Environment, text []byte) (*judged, error) {
	m, err := read(text)
	if err != nil {
		return nil, err
	}
	j := newJudged(m)
	return j, j.judge(ctx, r, env)
}

func newJudged(m *metadata) *judged {
	return &judged{metadata: m, client: store.Client{
		Enabled: true, Registered: true,
		// Strangers' clients: nobody in the organisation has looked at them.
		Consent:      store.ConsentOnce,
		SessionCheck: true,
	}}
}

// judge applies the rules; what is wrong first is the error.
func (j *judged) judge(ctx context.Context, r *Registrar, env *store.Environment) error {
	j.unsupported()
	j.authentication(r)
	j.grants(env)
	j.possession(env)
	native := j.oneOf("application_type", "web", "native") == "native"
	j.redirects(native)
	j.kind(native)
	j.scope(ctx, r, env)
	j.signing(env)
	j.display(r)
	j.sessions(r)
	return j.err
}

// unsupported refuses what a client would rely on and would not get.
func (j *judged) unsupported() {
	if s := j.oneOf("subject_type", "public"); s != "" {
		j.keep("subject_type", s)
	}
	for _, name := range []string{
		"id_token_encrypted_response_alg", "id_token_encrypted_response_enc", "userinfo_encrypted_response_alg",
		"userinfo_encrypted_response_enc", "request_object_encryption_alg", "request_object_encryption_enc",
	} {
		if _, ok := j.value(name); ok {
			j.fail(invalid("%s is not supported", name))
		}
	}
}

// concerns judges the members that an update has beside the metadata (RFC 7592
// §2.2): the client's id, its present secret if any, and nothing that is ours to
// say.
func (j *judged) concerns(id, clientSecret string) error {
	for _, name := range []string{"registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at"} {
		if j.doc.Has(name) {
			return invalid("%s must not be sent", name)
		}
	}
	if j.doc.ClientID != id {
		return invalid("client_id is missing or not the one of this client")
	}
	if j.doc.Has("client_secret") {
		sent, ok := j.doc.Text("client_secret")
		if !ok || clientSecret == "" || !secret.Equal([]byte(sent), []byte(clientSecret)) {
			return invalid("client_secret is not the one of this client")
		}
	}
	return nil
}

func appendNew(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

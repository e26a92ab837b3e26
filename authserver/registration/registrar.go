package registration

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/fetch"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Registrar registers clients. Safe for concurrent use. Fields are required
// unless they say otherwise.
type Registrar struct {
	Store     store.RegisteredClients
	Sealer    func(create bool) (*secret.Sealer, error)
	NewID     func() string
	NewSecret func() secret.Value
	Now       func() time.Time
	// Outbound will make requests to addresses that clients name, and judges them
	// here. nil: only addresses on the public Internet are good.
	Outbound *fetch.Client
	// Resource finds the resource that a scope other than those of OpenID Connect and PingOne belongs to. nil:
	// registered clients get no such scope.
	Resource func(ctx context.Context, env *store.Environment, scope string) (resource string, ok bool)
	// End ends everything that a client holds, when it is deleted (RFC 7592 §2.3).
	End func(ctx context.Context, env *store.Environment, client string) error

	mu     sync.Mutex // guards sealer
	sealer *secret.Sealer
}

// secrets is what Sealed holds.
type secrets struct {
	ClientSecret string `json:"client_secret,omitempty"`
}

// Open gives a stored client its secrets back, for a store.Directory. It does not ask the store.
func (r *Registrar) Open(c store.RegisteredClient) (*store.Client, error) {
	opened := c.Client
	opened.Environment, opened.ID, opened.Registered = c.Environment, c.ID, true
	s, err := r.open(c)
	if err != nil {
		return nil, err
	}
	opened.Secrets = nil
	if s.ClientSecret != "" {
		opened.Secrets = []store.ClientSecret{{Value: []byte(s.ClientSecret)}}
	}
	return &opened, nil
}

// Register judges a client's metadata (JSON) and stores it. authorization is the bearer token sent, "" for
// none. The answer is the JSON body of 201 (RFC 7591 §3.2.1).
func (r *Registrar) Register(ctx context.Context, env *store.Environment, authorization string, metadata []byte) ([]byte, error) {
	if err := admit(env, authorization); err != nil {
		return nil, err
	}
	judged, err := r.judge(ctx, env, metadata)
	if err != nil {
		return nil, err
	}
	token := r.NewSecret()
	c := store.RegisteredClient{
		Environment: env.ID, ID: r.NewID(), AccessToken: token.Hash(), CreatedAt: r.Now().UTC().Truncate(time.Second),
	}
	s := secrets{}
	if judged.needsSecret() {
		s.ClientSecret = r.newClientSecret()
	}
	if err := r.fill(&c, judged, s, true); err != nil {
		return nil, err
	}
	if err := r.Store.PutRegisteredClient(ctx, c); err != nil {
		return nil, oauth.CannotTell("store client", err)
	}
	return answer(env, &c, s, token.Reveal())
}

// Read gives what is registered, by the client's registration access token (RFC 7592 §2.1).
func (r *Registrar) Read(ctx context.Context, env *store.Environment, authorization, id string) ([]byte, error) {
	c, err := r.find(ctx, env, authorization, id)
	if err != nil {
		return nil, err
	}
	s, err := r.open(c)
	if err != nil {
		return nil, err
	}
	return answer(env, &c, s, authorization)
}

// Replace puts new metadata in the place of all that is registered (RFC 7592
// §2.2). The client keeps its id, its token, and its secret where it still needs one.
func (r *Registrar) Replace(ctx context.Context, env *store.Environment, authorization, id string, metadata []byte) ([]byte, error) {
	c, err := r.find(ctx, env, authorization, id)
	if err != nil {
		return nil, err
	}
	judged, err := r.judge(ctx, env, metadata)
	if err != nil {
		return nil, err
	}
	s, err := r.open(c)
	if err != nil {
		return nil, err
	}
	if err := judged.concerns(c.ID, s.ClientSecret); err != nil {
		return nil, err
	}
	switch {
	case !judged.needsSecret():
		s = secrets{}
	case s.ClientSecret == "":
		s.ClientSecret = r.newClientSecret()
	}
	if err := r.fill(&c, judged, s, false); err != nil {
		return nil, err
	}
	switch err := r.Store.ReplaceRegisteredClient(ctx, c); {
	case errors.Is(err, store.ErrNotFound):
		return nil, denied(true)
	case err != nil:
		return nil, oauth.CannotTell("replace client", err) // ErrConflict too: the same request can be made again
	}
	return answer(env, &c, s, authorization)
}

// Delete forgets a client, after everything that it holds has been ended (RFC
// 7592 §2.3).
func (r *Registrar) Delete(ctx context.Context, env *store.Environment, authorization, id string) error {
	c, err := r.find(ctx, env, authorization, id)
	if err != nil {
		return err
	}
	if r.End == nil {
		return errors.New("registration: Registrar.End is missing")
	}
	// First, while the client can still ask again if it fails.
	if err := r.End(ctx, env, c.ID); err != nil {
		return err
	}
	if err := r.Store.DeleteRegisteredClient(ctx, env.ID, c.ID); err != nil && !errors.Is(err, store.ErrNotFound) {
		return oauth.CannotTell("delete client", err)
	}
	// Again, for what it obtained between the two.
	return r.End(ctx, env, c.ID)
}

// admit judges who wants to register.
func admit(env *store.Environment, authorization string) error {
	switch env.Registration.Mode {
	case store.RegistrationOpen:
		return nil // a token, if any, means nothing here
	case store.RegistrationToken:
		good := false
		for _, t := range env.Registration.Tokens {
			good = secret.Equal(t, []byte(authorization)) && len(t) > 0 || good // each is compared, whichever fits
		}
		if good && authorization != "" {
			return nil
		}
		return denied(authorization != "")
	}
	return web.NotFound()
}

// find reads a client and compares its token. An unknown client and a wrong token
// are the same (RFC 7592 §2.1).
func (r *Registrar) find(ctx context.Context, env *store.Environment, authorization, id string) (store.RegisteredClient, error) {
	if env.Registration.Mode == store.RegistrationOff {
		return store.RegisteredClient{}, web.NotFound()
	}
	if authorization == "" {
		return store.RegisteredClient{}, denied(false)
	}
	c, err := r.Store.RegisteredClientByID(ctx, env.ID, id)
	found := err == nil
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return store.RegisteredClient{}, oauth.CannotTell("find client", err)
	}
	presented := secret.Of(authorization).Hash()
	if !secret.Equal(presented[:], c.AccessToken[:]) || !found {
		return store.RegisteredClient{}, denied(true)
	}
	return c, nil
}

// fill puts what was judged into the record.
func (r *Registrar) fill(c *store.RegisteredClient, judged *judged, s secrets, create bool) error {
	c.Client = judged.client
	c.Client.Environment, c.Client.ID = c.Environment, c.ID
	if c.Client.Name == "" {
		c.Client.Name = c.ID
	}
	var err error
	if c.Metadata, err = json.Marshal(judged.echo); err != nil {
		return fmt.Errorf("encode client metadata: %w", err)
	}
	plain, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("encode client secrets: %w", err)
	}
	sealer, err := r.key(create)
	if err != nil {
		return oauth.CannotTell("secrets key", err)
	}
	if c.Sealed, err = sealer.Seal(plain, additional(c)); err != nil {
		return fmt.Errorf("seal client secrets: %w", err)
	}
	return nil
}

// open unseals the secrets of a client.
func (r *Registrar) open(c store.RegisteredClient) (s secrets, err error) {
	sealer, err := r.key(false)
	if err != nil {
		return s, oauth.CannotTell("secrets key", err)
	}
	plain, err := sealer.Open(c.Sealed, additional(&c))
	if err != nil {
		return s, fmt.Errorf("open the secrets of registered client %s: %w", c.ID, err)
	}
	if err := json.Unmarshal(plain, &s); err != nil {
		return s, fmt.Errorf("read the secrets of registered client %s: malformed", c.ID)
	}
	return s, nil
}

// key gives the sealer, asking for the secrets key until it once succeeded.
func (r *Registrar) key(create bool) (*secret.Sealer, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sealer == nil {
		s, err := r.Sealer(create)
		if err != nil {
			return nil, err
		}
		r.sealer = s
	}
	return r.sealer, nil
}

// additional ties sealed secrets to their client.
func additional(c *store.RegisteredClient) []byte {
	return bytes.Join([][]byte{[]byte("gatehouse registered client"), []byte(c.Environment), []byte(c.ID)}, []byte{0})
}

// newClientSecret draws a secret of the length of PingOne's: two of ours, of
// characters that mean themselves in a form.
func (r *Registrar) newClientSecret() string { return r.NewSecret().Reveal() + r.NewSecret().Reveal() }

// answer is the client information response (RFC 7591 §3.2.1, RFC 7592 §3).
func answer(env *store.Environment, c *store.RegisteredClient, s secrets, token string) ([]byte, error) {
	var body map[string]any
	if err := json.Unmarshal(c.Metadata, &body); err != nil {
		return nil, fmt.Errorf("read the metadata of registered client %s: %w", c.ID, err)
	}
	body["client_id"] = c.ID
	body["client_id_issued_at"] = c.CreatedAt.Unix()
	if s.ClientSecret != "" {
		body["client_secret"] = s.ClientSecret
		body["client_secret_expires_at"] = 0 // never
	}
	body["registration_client_uri"] = env.EndpointURL("register") + "/" + c.ID
	body["registration_access_token"] = token
	return json.Marshal(body)
}

// denied is 401 for everyone who brings no token, a wrong one, or the token of
// something that is not there.
func denied(presented bool) error {
	e := &oauth.Error{Code: oauth.CodeInvalidToken, Status: 401, Description: "The token is missing or not valid"}
	challenge := oauth.Challenge{Scheme: "Bearer"}
	if presented {
		challenge.Params = []oauth.Param{{Name: "error", Value: oauth.CodeInvalidToken}}
	}
	e.Challenges = []oauth.Challenge{challenge}
	return e
}

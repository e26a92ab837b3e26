package endpoint

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/dpop"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/limit"
	"github.com/caddy-gatehouse/gatehouse/authserver/mtls"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// Possession has callers prove that they have the keys and certificates that tokens are bound to (RFC 9449, RFC 8705). Safe for
// concurrent use. With a nil one nothing can be proved.
type Possession struct {
	// Replays has the proofs that were used.
	Replays dpop.Replays
	// Nonces are those that environments may demand; an error means that they cannot be had now.
	Nonces func() (*dpop.Nonces, error)
	// Certificate is what a client presented, nil for none.
	Certificate func(*http.Request) (*mtls.Certificate, error)
	Now         func() time.Time
	// Address is the client's address without a port. Default: that of the connection.
	Address func(*http.Request) string
	// NoLimit exempts addresses from the limit on public clients. Default: nobody.
	NoLimit func(address string) bool

	once   sync.Once
	proofs *limit.Limiter // of public clients, by address
}

// errNoPossession is the cause where a server was put together without.
var errNoPossession = errors.New("nothing here judges proofs of possession")

// Client is what a client proves at an endpoint that makes tokens, called by the last part of its URL: a key where it sends
// a proof, and its certificate where its tokens are bound to that. Either is invalid_dpop_proof or invalid_request (400) where the client
// must prove it and does not; temporarily_unavailable (429) where a public client proves too often from an address, or a client or key too often.
func (p *Possession) Client(w http.ResponseWriter, r *http.Request, env *store.Environment, client *store.Client, endpoint string) (token.Confirmation, error) {
	var proved token.Confirmation
	var err error
	if proved.JKT, err = p.clientKey(w, r, env, client, endpoint); err != nil {
		return token.Confirmation{}, err
	}
	if client.DPoPBound && proved.JKT == "" {
		return token.Confirmation{}, &oauth.Error{
			Code: oauth.CodeInvalidDPoPProof, Status: http.StatusBadRequest, Reason: "dpop_missing", Description: "The client must send a DPoP proof",
		}
	}
	if !client.CertificateBound {
		return proved, nil
	}
	switch certificate, err := p.certificate(r); {
	case err != nil:
		return token.Confirmation{}, oauth.InvalidRequest("The client certificate cannot be read").WithCause(err)
	case certificate == nil:
		return token.Confirmation{}, oauth.InvalidRequest("The client must present its certificate")
	default:
		proved.X5T = mtls.Thumbprint(certificate.Leaf)
		return proved, nil
	}
}

// clientKey is Key for an endpoint that has no limit of its own on public clients.
func (p *Possession) clientKey(w http.ResponseWriter, r *http.Request, env *store.Environment, client *store.Client, endpoint string) (string, error) {
	if p == nil || client.AuthMethod != oauth.AuthNone {
		return p.Key(w, r, env, client, endpoint)
	}
	return p.keyIn(limited{p.Replays, func() error { return p.allow(r) }}, w, r, env, client, endpoint)
}

// Key is the thumbprint of the key of the DPoP proof in a client's request; "" where it brings none. A proof that is no good is 400, one too many of
// its key or of its client 429.
func (p *Possession) Key(w http.ResponseWriter, r *http.Request, env *store.Environment, client *store.Client, endpoint string) (string, error) {
	return p.keyIn(p.replays(), w, r, env, client, endpoint)
}

func (p *Possession) replays() dpop.Replays {
	if p == nil {
		return nil
	}
	return p.Replays
}

// keyIn is Key with the proofs that were used.
func (p *Possession) keyIn(used dpop.Replays, w http.ResponseWriter, r *http.Request, env *store.Environment, client *store.Client, endpoint string) (string, error) {
	values := r.Header[dpop.Header]
	if len(values) == 0 {
		return "", nil
	}
	proof, err := p.proof(r.Context(), used, w, values, env, endpoint, dpop.Request{Method: r.Method, Client: proofsOf(env, client.ID)})
	if err == nil {
		return proof.Thumbprint, nil
	}
	if e, ok := errors.AsType[*dpop.Error](err); ok {
		return "", &oauth.Error{
			Code: e.Code, Status: http.StatusBadRequest, Reason: "dpop_" + e.Reason, Description: e.Description, Cause: err,
		}
	}
	return "", notJudged(err)
}

// proofsOf is whose proofs are counted together: a client's, whatever address of env it calls.
func proofsOf(env *store.Environment, client string) dpop.Client {
	return dpop.Client{Realm: env.ID, ID: client}
}

// proof judges the DPoP header of a request to an endpoint of env, whose URL as does not say. Where the environment demands nonces, and the
// proof has none or an old one, the answer brings one.
func (p *Possession) proof(ctx context.Context, used dpop.Replays, w http.ResponseWriter, values []string, env *store.Environment, endpoint string, as dpop.Request) (*dpop.Proof, error) {
	if p == nil {
		return nil, errNoPossession
	}
	v := dpop.Verifier{Replays: used, Now: p.Now}
	if env.DPoPNonces {
		var err error
		if v.Nonces, err = p.Nonces(); err != nil {
			return nil, err
		}
	}
	var proof *dpop.Proof
	var bad *dpop.Error
	var err error
	for _, as.URL = range addresses(env, endpoint) {
		// htu is looked at before anything that costs much.
		proof, err = v.Verify(ctx, values, as)
		if bad, _ = errors.AsType[*dpop.Error](err); bad == nil || bad.Reason != "htu" {
			break
		}
	}
	if v.Nonces != nil && (err == nil && proof.RenewNonce || bad != nil && bad.Code == oauth.CodeUseDPoPNonce) {
		w.Header().Set(dpop.NonceHeader, v.Nonces.Current(p.Now()))
	}
	return proof, err
}

// addresses are what clients may call an endpoint: at the issuer that was called, which comes first, where certificates are asked for,
// and at the environment's other issuers, whose host may be a name of the same one. They come from configuration alone.
func addresses(env *store.Environment, endpoint string) []string {
	all := append(make([]string, 0, 4), env.EndpointURL(endpoint))
	if env.MTLSURL != "" {
		all = append(all, env.MTLSURL+"/"+endpoint)
	}
	all = append(all, env.FirstIssuer()+"/"+endpoint)
	for _, d := range env.Domains {
		all = append(all, env.At(d).EndpointURL(endpoint))
	}
	slices.Sort(all[1:])
	return slices.Compact(all)
}

func (p *Possession) certificate(r *http.Request) (*mtls.Certificate, error) {
	if p == nil || p.Certificate == nil {
		return nil, nil
	}
	return p.Certificate(r)
}

// Holder judges whether who presents an access token at an endpoint has what the token is bound to. Errors are 401, with the challenge of the
// scheme that was used; realm is for that.
func (p *Possession) Holder(w http.ResponseWriter, r *http.Request, env *store.Environment, endpoint, realm string, as Presented, t *token.Active) error {
	values := r.Header[dpop.Header]
	switch {
	case as.DPoP && t.Bound.JKT == "":
		return as.invalid(realm, errors.New("an unbound token with the scheme DPoP"))
	case !as.DPoP && t.Bound.JKT != "":
		return as.invalid(realm, errors.New("a token that is bound to a key, as a bearer's"))
	case !as.DPoP && len(values) > 0:
		return as.invalid(realm, errors.New("an unbound token with a DPoP proof"))
	}
	if as.DPoP {
		if err := p.key(w, r, env, endpoint, realm, as, t); err != nil {
			return err
		}
	}
	if t.Bound.X5T == "" {
		return nil
	}
	switch certificate, err := p.certificate(r); {
	case err != nil:
		return as.invalid(realm, err)
	case certificate == nil:
		return as.invalid(realm, errors.New("a token that is bound to a certificate, without one"))
	case mtls.Thumbprint(certificate.Leaf) != t.Bound.X5T:
		return as.invalid(realm, errors.New("a token that is bound to another certificate"))
	}
	return nil
}

// key judges the proof that goes with a token.
func (p *Possession) key(w http.ResponseWriter, r *http.Request, env *store.Environment, endpoint, realm string, as Presented, t *token.Active) error {
	_, err := p.proof(r.Context(), p.replays(), w, r.Header[dpop.Header], env, endpoint, dpop.Request{
		Method: r.Method, AccessToken: as.Token, Thumbprint: t.Bound.JKT, Client: proofsOf(env, t.Client),
	})
	switch e, bad := errors.AsType[*dpop.Error](err); {
	case bad:
		return as.denied(http.StatusUnauthorized, realm, e.Code, "", e.Description).WithCause(err)
	case errors.Is(err, dpop.ErrOtherKey):
		return as.invalid(realm, errors.New("a token that is bound to another key"))
	case err != nil:
		return notJudged(err)
	}
	return nil
}

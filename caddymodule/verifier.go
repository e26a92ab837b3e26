package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// sharedVerifier is a verifier with its caches, shared by every handler that
// trusts the same issuers in the same way, in this configuration and the next.
type sharedVerifier struct {
	*resourceserver.Verifier
	observer *verifierObserver
	issuers  []string
	insecure []bool       // per issuer: http is allowed
	release  func() error // of the state behind issuers in this process; nil without
}

// verifierIdentity is all that makes two verifiers differ. Only its digest is
// kept. Policy, identity headers and the like are not in it: they are judged per
// request and may change without losing a cache.
type verifierIdentity struct {
	Issuers      []issuerIdentity
	MaxTokenSize int64
	CacheSize    int64
	RefusedSize  int64
	RefusedTTL   caddy.Duration
}

type issuerIdentity struct {
	Issuer      Issuer // expanded, with the audience in effect
	Files       files
	State       string             // pool key of the state, for an issuer in this process
	Environment *store.Environment // the same
}

// acquireVerifier takes the verifier for b's issuers from the pool. app may be nil.
func (b *BearerAuth) acquireVerifier(app *App) (*sharedVerifier, func() error, error) {
	if len(b.Issuers) == 0 {
		return nil, nil, errors.New("issuers is missing: at least one issuer must be trusted")
	}
	id := verifierIdentity{
		MaxTokenSize: b.MaxTokenSize, CacheSize: b.CacheSize, RefusedSize: b.RefusedCacheSize, RefusedTTL: b.RefusedTTL,
	}
	config := resourceserver.Config{
		MaxTokenSize: int(b.MaxTokenSize), GoodCacheBytes: b.CacheSize, BadCacheBytes: b.RefusedCacheSize,
		RefusedTTL: time.Duration(b.RefusedTTL), Log: processLog(), Now: time.Now,
	}
	if b.MaxTokenSize < 0 || b.CacheSize < 0 || b.RefusedCacheSize < 0 || b.RefusedTTL < 0 {
		return nil, nil, errors.New("max_token_size, cache_size, refused_cache_size and refused_ttl must not be negative")
	}
	for _, written := range b.Issuers {
		one, resolved, err := b.provisionIssuer(written, app)
		if err != nil {
			return nil, nil, fmt.Errorf("issuer %s: %w", written.Issuer, err)
		}
		id.Issuers = append(id.Issuers, one)
		config.Issuers = append(config.Issuers, resolved)
	}
	encoded, err := json.Marshal(id)
	if err != nil {
		return nil, nil, err
	}
	return acquire(verifiers, digest(string(encoded)), func() (*sharedVerifier, error) {
		return newSharedVerifier(config, app)
	})
}

// provisionIssuer expands and resolves one issuer.
func (b *BearerAuth) provisionIssuer(i Issuer, app *App) (issuerIdentity, resourceserver.Issuer, error) {
	var none resourceserver.Issuer
	i, err := i.expanded()
	if err != nil {
		return issuerIdentity{}, none, err
	}
	if i.Issuer == "" {
		return issuerIdentity{}, none, errors.New("issuer is missing")
	}
	if len(i.Audience) == 0 && !i.AnyAudience {
		i.Audience, i.AnyAudience = b.Audience, b.AnyAudience
		if err := newExpander().all("audience", &i.Audience); err != nil {
			return issuerIdentity{}, none, err
		}
	}
	if len(i.Audience) > 0 && i.AnyAudience {
		return issuerIdentity{}, none, errors.New("audience and any_audience exclude each other")
	}
	id := issuerIdentity{Issuer: i}
	if id.Files, err = i.read(); err != nil {
		return id, none, err
	}
	resolved, err := i.resolve(id.Files)
	if err != nil || app == nil || !i.local() {
		return id, resolved, err
	}
	env, err := app.environment(i.Issuer)
	if err != nil {
		return id, resolved, err
	}
	if env != nil {
		id.State, id.Environment = app.stateKey, env
		resolved.Local = app.state.Local(env)
		if resolved.Decryption == nil {
			b.warnSealed(app, env, i.Audience)
		}
		return id, resolved, nil
	}
	declared, err := app.directory.Environments(context.Background()) // from memory
	if err != nil {
		return id, resolved, err
	}
	if stored, ok := app.state.StoredLocal(declared, i.Issuer); ok {
		id.State, resolved.Local = app.stateKey, stored
	}
	return id, resolved, nil
}

// warnSealed says of which audiences no JWT will get through: they are encrypted to a resource, and the gate has no key. It may yet be for opaque ones.
func (b *BearerAuth) warnSealed(app *App, env *store.Environment, audiences []string) {
	for _, r := range app.directory.DeclaredResources() {
		if r.Environment == env.ID && r.Encryption != nil && slices.Contains(audiences, r.Audience) {
			b.log.Warn("access tokens of the resource are encrypted (encryption_key), and the gate has no key to open them: its issuer needs a decryption_key",
				zap.String("issuer", env.Issuer), zap.String("resource", r.Name))
		}
	}
}

func newSharedVerifier(config resourceserver.Config, app *App) (*sharedVerifier, error) {
	v := new(sharedVerifier)
	local := false
	for _, i := range config.Issuers {
		v.issuers = append(v.issuers, i.Issuer)
		v.insecure = append(v.insecure, i.InsecureLoopbackHTTP)
		local = local || i.Local != nil
	}
	v.observer = metrics.forVerifier(v.issuers)
	config.Observer = v.observer

	var err error
	if v.Verifier, err = resourceserver.New(config); err != nil {
		return nil, err
	}
	if local {
		// The verifier may outlive the configuration that made it, and the state must
		// outlive the verifier. It is in the pool already: the app holds it.
		_, v.release, err = acquire(states, app.stateKey, func() (*sharedState, error) {
			return nil, errors.New("the state of the gatehouse app is gone")
		})
		if err != nil {
			v.Verifier.Close()
			return nil, err
		}
	}
	metrics.caches.add(v)
	return v, nil
}

// name is the issuer of the token that a refusal is about, as metrics have it.
func (v *sharedVerifier) name(err error) string {
	if refusal, ok := errors.AsType[*resourceserver.Refusal](err); ok && refusal.Issuer >= 0 {
		return v.issuers[refusal.Issuer]
	}
	return "none"
}

// Destruct ends the verifier's background work and frees its caches, when no exchange of a replaced configuration is left. Until then those end with their
// tokens, as they would have.
func (v *sharedVerifier) Destruct() error {
	metrics.caches.remove(v)
	return retired.close(v.Drain, v.close)
}

func (v *sharedVerifier) close() error {
	v.Verifier.Close()
	if v.release == nil {
		return nil
	}
	return v.release()
}

var _ caddy.Destructor = (*sharedVerifier)(nil)

package logout

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/outbox"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const (
	// kindBackchannel is the Kind of logout tokens in the delivery queue.
	kindBackchannel = "backchannel_logout"
	// logoutTokenTTL is the life of one logout token: it is made at each attempt, so
	// it need last no longer than the way to the client and two clocks' difference
	// (OIDC Back-Channel Logout §4).
	logoutTokenTTL = 2 * time.Minute
	// typeLogoutToken is its typ header (OIDC Back-Channel Logout §2.4).
	typeLogoutToken = "logout+jwt"
	// eventLogout is the one member of its events.
	eventLogout = "http://schemas.openid.net/event/backchannel-logout"

	// giveUpAfter is how long a delivery is tried.
	giveUpAfter = time.Hour
)

// endedSession is the Data of a delivery: which session ended, of whom.
type endedSession struct {
	Issuer  string `json:"iss"`
	Subject string `json:"sub"`
	Session string `json:"sid"`
}

// queue stores a delivery for each client of s that wants to be told by the back
// channel and is not in already. They are this process's until outbox.Lease has passed.
func (e *Ender) queue(ctx context.Context, env *store.Environment, s *session.Session, already []store.Delivery) ([]store.Delivery, error) {
	now := e.Now().UTC()
	queued := already
	for _, id := range s.Clients {
		if slices.ContainsFunc(queued, func(d store.Delivery) bool { return d.Client == id }) {
			continue
		}
		c, err := e.client(ctx, env, id)
		if err != nil {
			return nil, err
		}
		if c == nil || c.BackchannelLogoutURI == "" {
			continue
		}
		// A client refuses what another issuer says, wherever the sign-off was.
		data, err := json.Marshal(endedSession{Issuer: s.IssuerFor(env, id), Subject: s.Subject, Session: s.ID})
		if err != nil {
			return nil, fmt.Errorf("encode delivery: %w", err)
		}
		d := store.Delivery{
			Environment: env.ID, ID: e.NewID(), Kind: kindBackchannel, Target: c.BackchannelLogoutURI, Client: id, Data: data,
			NextAt: now.Add(outbox.Lease), ExpiresAt: now.Add(giveUpAfter),
		}
		if err := e.Store.PutDelivery(ctx, d); err != nil {
			return nil, oauth.CannotTell("queue back-channel logout", err)
		}
		queued = append(queued, d)
	}
	return queued, nil
}

// forget takes back deliveries that another call makes.
func (e *Ender) forget(ctx context.Context, queued []store.Delivery) {
	for i := range queued {
		if err := e.Store.FinishDelivery(ctx, queued[i].Environment, queued[i].ID); err != nil {
			// The client is told twice that the session has ended.
			e.Log.LogAttrs(ctx, slog.LevelWarn, "back-channel logout cannot be taken back",
				slog.String("environment", queued[i].Environment), slog.String("client", queued[i].Client), slog.String("error", err.Error()))
		}
	}
}

// send makes a logout token and posts it. nil also where there is nobody to tell
// any more.
func (e *Ender) send(ctx context.Context, d *store.Delivery) error {
	env, err := e.Directory.EnvironmentByID(ctx, d.Environment)
	if err != nil {
		return fmt.Errorf("find environment: %w", err)
	}
	client, err := e.client(ctx, env, d.Client)
	if err != nil {
		return err
	}
	if client == nil || client.BackchannelLogoutURI == "" {
		return nil
	}
	raw, err := e.logoutToken(ctx, env, client, d)
	if err != nil {
		return err
	}
	outbound := e.Outbound
	if client.Stranger() {
		outbound = outbound.Strangers()
	}
	// The address as it is now: the client may have moved since.
	return outbound.Notify(ctx, client.BackchannelLogoutURI, url.Values{"logout_token": {raw}})
}

// logoutToken signs what OIDC Back-Channel Logout §2.4 asks for.
func (e *Ender) logoutToken(ctx context.Context, env *store.Environment, client *store.Client, d *store.Delivery) (string, error) {
	var what endedSession
	if err := json.Unmarshal(d.Data, &what); err != nil {
		return "", fmt.Errorf("read delivery: %w", err)
	}
	if !slices.Contains(env.Issuers(), what.Issuer) {
		what.Issuer = env.Issuer // the place by which the client knew it is gone
	}
	signer, err := e.Keys.SignerFor(ctx, env, client.KeyRotationPolicy)
	if err != nil {
		return "", fmt.Errorf("signing key: %w", err)
	}
	if client.Subject != (store.Source{}) {
		what.Subject = "" // the client knows another one, and sid is enough
	}
	now := e.Now().UTC().Truncate(time.Second)
	claims, err := json.Marshal(struct {
		Issuer   string                         `json:"iss"`
		Subject  string                         `json:"sub,omitempty"`
		Audience string                         `json:"aud"`
		IssuedAt int64                          `json:"iat"`
		Expiry   int64                          `json:"exp"`
		ID       string                         `json:"jti"`
		Session  string                         `json:"sid"`
		Events   map[string]map[string]struct{} `json:"events"`
	}{
		what.Issuer, what.Subject, d.Client, now.Unix(), now.Add(logoutTokenTTL).Unix(), e.NewID(), what.Session,
		map[string]map[string]struct{}{eventLogout: {}},
	})
	if err != nil {
		return "", fmt.Errorf("encode logout token: %w", err)
	}
	return signer.Sign(typeLogoutToken, claims)
}

package session

import (
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Session is one person signed on in one browser or device. It is a value read
// at one moment.
type Session struct {
	ID       string // sid
	Subject  string
	AuthTime time.Time // of the last sign-on, whole seconds
	ACR      string    // "Single_Factor"
	AMR      []string  // "pwd"
	// Clients took part: they got a token or code of this session. The newest
	// 500, in the order in which they came.
	Clients []string
	// Issuers has, by client, the iss that it knows the environment by, where that is not the environment's first. See IssuerFor.
	Issuers   map[string]string
	CreatedAt time.Time
	ActiveAt  time.Time // last use, give or take a minute
	ExpiresAt time.Time // when it ends if it is not used before
	Address   string    // of the last sign-on
	UserAgent string    // of the last sign-on, at most 512 bytes
}

// IssuerFor is the iss by which a client knows the environment and this session: that of the place where it last took part.
// It is the environment's first where the client is not in the session, or that place is gone.
func (s *Session) IssuerFor(env *store.Environment, client string) string {
	if iss, ok := s.Issuers[client]; ok && slices.Contains(env.Issuers(), iss) {
		return iss
	}
	return env.FirstIssuer()
}

// SignOn is what was proven just now.
type SignOn struct {
	Subject string
	ACR     string
	AMR     []string
}

const (
	maxClients = 500
	// maxLineage is how many earlier cookie values a session remembers.
	maxLineage = 4
)

// data is what the store keeps of a session without looking at it.
type data struct {
	AuthTime int64    `json:"auth_time"` // Unix seconds
	ACR      string   `json:"acr,omitempty"`
	AMR      []string `json:"amr,omitempty"`
	Clients  []string `json:"clients,omitempty"`
	// Issuers are Session's.
	Issuers   map[string]string `json:"issuers,omitempty"`
	Lineage   [][]byte          `json:"lineage,omitempty"` // hashes of earlier cookie values, oldest first
	Address   string            `json:"address,omitempty"`
	UserAgent string            `json:"user_agent,omitempty"`
}

// record is a stored session that has been read.
type record struct {
	store.Session
	data
}

func open(s store.Session) (*record, error) {
	r := &record{Session: s}
	if err := json.Unmarshal(s.Data, &r.data); err != nil {
		return nil, fmt.Errorf("session %s: %w", s.ID, err)
	}
	return r, nil
}

// joined reports whether a client is in the session, and knows it by env's issuer.
func (d *data) joined(env *store.Environment, client string) bool {
	return slices.Contains(d.Clients, client) && d.Issuers[client] == env.OtherIssuer()
}

// join adds a client. Their number is bounded, since whoever may register clients could fill the
// store. Those that fall out are not told of the sign-off; their tokens end all the same.
func (d *data) join(env *store.Environment, client string) {
	if !slices.Contains(d.Clients, client) {
		d.Clients = append(d.Clients, client)
	}
	for len(d.Clients) > maxClients {
		delete(d.Issuers, d.Clients[0])
		d.Clients = d.Clients[1:]
	}
	delete(d.Issuers, client)
	if iss := env.OtherIssuer(); iss != "" {
		if d.Issuers == nil {
			d.Issuers = map[string]string{}
		}
		d.Issuers[client] = iss
	}
}

// sealed is r as it is stored.
func (r *record) sealed() store.Session {
	b, err := json.Marshal(r.data)
	if err != nil {
		panic(err) // strings and numbers
	}
	s := r.Session
	s.Data = b
	return s
}

func (r *record) authTime() time.Time { return time.Unix(r.AuthTime, 0).UTC() }

// remember adds an earlier cookie value.
func (r *record) remember(h store.Hash) {
	if h == (store.Hash{}) || r.grewOutOf(h) {
		return
	}
	r.Lineage = append(slices.Clone(r.Lineage), h[:])
	r.Lineage = r.Lineage[max(0, len(r.Lineage)-maxLineage):]
}

// grewOutOf reports whether a cookie value is one of those remembered.
func (r *record) grewOutOf(h store.Hash) bool {
	return slices.ContainsFunc(r.Lineage, func(earlier []byte) bool {
		return subtle.ConstantTimeCompare(earlier, h[:]) == 1
	})
}

func (r *record) session() *Session {
	return &Session{
		ID: r.ID, Subject: r.Subject, AuthTime: r.authTime(), ACR: r.ACR,
		AMR: slices.Clone(r.AMR), Clients: slices.Clone(r.Clients), Issuers: maps.Clone(r.Issuers),
		CreatedAt: r.CreatedAt, ActiveAt: r.ActiveAt, ExpiresAt: r.ExpiresAt,
		Address: r.Address, UserAgent: r.UserAgent,
	}
}

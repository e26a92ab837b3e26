package flow

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/authorize"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const (
	// maxLife ends a flow that somebody keeps alive by calling it: what was proven
	// in it must not count for ever. Diverges from PingOne, which names no such end.
	maxLife = time.Hour
	// answerLife is how long a finished flow waits for its answer to be fetched, and how
	// long an answered one is remembered, so that a second fetch is recognised.
	answerLife = 5 * time.Minute
	// maxData is below what the store takes (64 KiB): names are added later.
	maxData = 60 << 10
	// maxName is the longest typed name that is remembered, in bytes.
	maxName = 256
)

// state is a flow as it is kept: store.Flow.Data. It holds no credential.
type state struct {
	Status  Status             `json:"status"`
	Request *authorize.Request `json:"request"`
	// Binding recognises the browser that the flow belongs to.
	Binding store.Hash `json:"binding"`
	// Username is what was typed last, or the login hint.
	Username string `json:"username,omitempty"`
	// Subject is who the flow is about: the session's person, or somebody who has proven who they are. Empty
	// while nobody is known.
	Subject string `json:"subject,omitempty"`
	// Fixed is the one person who can go on: whose session has to be renewed.
	Fixed string `json:"fixed,omitempty"`
	// Proof is how Subject has proven who they are, while something else (a new
	// password, a verified address) has to come before they are signed on.
	Proof []string `json:"proof,omitempty"`
	// Proven is the sid of the session that a sign-on in this very flow led to.
	// Nothing else satisfies prompt=login.
	Proven   string `json:"proven,omitempty"`
	Selected string `json:"selected,omitempty"` // subject that was chosen (prompt=select_account)
	// Consent are the scopes that the person is asked to agree to, with
	// ConsentRequired, and Agreed the sid in which they were agreed to.
	Consent []store.Agreement `json:"consent,omitempty"`
	Agreed  string            `json:"agreed,omitempty"`
	Session string            `json:"session,omitempty"` // sid to answer for, with Completed
	Error   *failure          `json:"error,omitempty"`   // with Failed

	Answered  bool      `json:"answered,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	// Busy: a step is being taken, by a caller who has until then. Others wait.
	Busy time.Time `json:"busy,omitzero"`
}

// failure is an oauth.Error without what is for the log alone.
type failure struct {
	Code        string `json:"code"`
	Description string `json:"description"`
	Status      int    `json:"status"`
}

func (s *state) error() *oauth.Error {
	if s.Error == nil {
		return nil
	}
	return &oauth.Error{Code: s.Error.Code, Description: s.Error.Description, Status: s.Error.Status}
}

// fail ends the flow.
func (s *state) fail(e *oauth.Error) {
	s.Status = Failed
	s.Error = &failure{Code: e.Code, Description: e.Description, Status: e.Status}
	s.Subject, s.Proof, s.Consent = "", nil, nil
}

// restart forgets everybody: somebody else is to sign on. A session in the
// browser does not count, since nothing but a sign-on leads on from there.
func (s *state) restart() {
	s.Status = UsernamePasswordRequired
	s.Username, s.Subject, s.Fixed, s.Proven, s.Selected, s.Agreed = "", "", "", "", "", ""
	s.Proof, s.Consent = nil, nil
}

// remember keeps what was typed, if it can be a name at all.
func (s *state) remember(username string) {
	if len(username) <= maxName {
		s.Username = username
	}
}

// expires is when the flow ends if nothing happens from now on.
func (s *state) expires(now time.Time) time.Time {
	end := now.Add(store.FlowIdle)
	if s.Status.Terminal() {
		end = now.Add(answerLife)
	}
	if last := s.CreatedAt.Add(maxLife); !s.Status.Terminal() && end.After(last) {
		end = last
	}
	return end
}

func (s *state) encode() ([]byte, error) {
	data, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode flow: %w", err)
	}
	return data, nil
}

func decode(data []byte) (*state, error) {
	s := &state{}
	if err := json.Unmarshal(data, s); err != nil {
		return nil, fmt.Errorf("decode flow: %w", err)
	}
	if s.Request == nil || s.Status == "" {
		return nil, fmt.Errorf("decode flow: a member is missing")
	}
	return s, nil
}

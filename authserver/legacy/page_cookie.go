package legacy

import (
	"encoding/base64"
	"encoding/json"
	"net/http"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// A _pagedResultsCookie is a position, encrypted and bound to who asked for what: it is good for the same
// question of the same person alone, tells nothing, and cannot be made. It would not even then widen
// anything, since a position is only looked for among the sources of the query.

// sealCookie makes one; "" of no position.
func (c *call) sealCookie(at *position, binding string) (string, error) {
	if at == nil {
		return "", nil
	}
	s, err := c.l.Sealer(false)
	if err != nil {
		return "", oauth.CannotTell("secrets key", err)
	}
	sealed, err := s.Seal(mustMarshal(at), []byte(key("gatehouse legacy page", binding)))
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(sealed), nil
}

// openCookie reads the one of the query; nil where there is none.
func (c *call) openCookie(binding string) (*position, error) {
	if c.query.cookie == "" {
		return nil, nil
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(c.query.cookie)
	if err != nil {
		return nil, badCookie()
	}
	s, err := c.l.Sealer(false)
	if err != nil {
		return nil, oauth.CannotTell("secrets key", err)
	}
	plain, err := s.Open(sealed, []byte(key("gatehouse legacy page", binding)))
	if err != nil {
		return nil, badCookie()
	}
	at := &position{}
	if err := json.Unmarshal(plain, at); err != nil {
		return nil, badCookie()
	}
	return at, nil
}

func badCookie() error {
	return crest(http.StatusBadRequest, "_pagedResultsCookie is not one of this query")
}

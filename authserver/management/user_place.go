package management

import (
	"encoding/base64"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// hidePlace encrypts where a page of users begins for callers who see some populations alone: a page ends where it
// has looked at enough people, and that may be behind somebody whom they may not see. "" stays "".
func (c *call) hidePlace(place string) (string, error) {
	if place == "" {
		return "", nil
	}
	sealer, err := c.api.Transfer.Sealer(false)
	if err != nil {
		return "", oauth.CannotTell("write a cursor", err)
	}
	sealed, err := sealer.Seal([]byte(place), c.placeOf())
	return base64.RawURLEncoding.EncodeToString(sealed), err
}

// revealPlace reads what hidePlace wrote.
func (c *call) revealPlace(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	sealer, err := c.api.Transfer.Sealer(false)
	if err != nil {
		return "", oauth.CannotTell("read a cursor", err)
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return "", foreignCursor()
	}
	place, err := sealer.Open(sealed, c.placeOf())
	if err != nil {
		return "", foreignCursor()
	}
	return string(place), nil
}

// placeOf is what a hidden place is bound to, beside what every cursor is.
func (c *call) placeOf() []byte { return []byte("gatehouse place of users\x00" + c.env.ID) }

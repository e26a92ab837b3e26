package management

import (
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/access"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// listUsers answers with a page of users. How much it costs is bounded, whatever the filter: a page may be shorter
// than its limit, or empty, and there are more all the same, where it has a next link.
func (c *call) listUsers() error {
	p, err := c.page(mostUsers)
	if err != nil {
		return err
	}
	populations, all := c.who.Populations(access.ReadUser, c.env)
	if !all && len(populations) == 0 {
		return forbidden() // whoever may read themselves alone
	}
	f, err := c.userFilter(populations, all)
	if err != nil {
		return err
	}
	if !all {
		if p.after, err = c.revealPlace(p.after); err != nil {
			return err
		}
	}
	at, ok := openPlace(p.after, len(f.alternatives))
	if !ok {
		return foreignCursor()
	}
	found, next, more, err := f.page(c.r.Context(), c.api.Live, c.api.Users, c.env, at, p.limit)
	if err != nil {
		return err
	}
	states, err := c.api.Users.AccountsOf(c.r.Context(), c.env, found)
	if err != nil {
		return err
	}
	items := make([]any, len(found))
	for i, u := range found {
		v := c.userView(u, states[i])
		if err := c.include(v); err != nil {
			return err
		}
		items[i] = v
	}
	after := ""
	if more {
		after = sealPlace(next)
	}
	if !all {
		if after, err = c.hidePlace(after); err != nil {
			return err
		}
	}
	return c.collection("users", items, after)
}

// sealPlace writes a place into a cursor.
func sealPlace(at userPlace) string {
	enc := base64.RawURLEncoding
	return strconv.Itoa(at.alternative) + "." + enc.EncodeToString([]byte(at.mark.Value)) + "." + enc.EncodeToString([]byte(at.mark.ID))
}

// openPlace reads what sealPlace wrote; "" is the beginning.
func openPlace(text string, alternatives int) (at userPlace, ok bool) {
	if text == "" {
		return at, true
	}
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return at, false
	}
	n, err := strconv.ParseUint(parts[0], 10, 16)
	value, err2 := base64.RawURLEncoding.Strict().DecodeString(parts[1])
	id, err3 := base64.RawURLEncoding.Strict().DecodeString(parts[2])
	if err != nil || err2 != nil || err3 != nil || int(n) >= alternatives {
		return at, false
	}
	return userPlace{int(n), store.UserMark{Value: string(value), ID: string(id)}}, true
}

package legacy

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// body is the object that a token is shown as (5.2).
func (f *lookup) body(t *oauthToken, administrator bool, id string) (map[string]any, error) {
	b, err := f.members(t, administrator, id)
	if err != nil {
		return nil, err
	}
	b[memberRev] = rev(b)
	return b, nil
}

// members are those of a token but _rev. administrator sees what it is known by, too; id is that.
// Every plain value is an array of texts, which is empty where there is none.
func (f *lookup) members(t *oauthToken, administrator bool, id string) (map[string]any, error) {
	b := map[string]any{
		"expireTime":  []string{milliseconds(t.expires())},
		"tokenName":   []string{t.name()},
		"scope":       values(t.scope()...),
		"grant_type":  []string{t.grantType()},
		"clientID":    []string{t.client.ID},
		"tokenType":   []string{t.tokenType()},
		"redirectURI": values(t.redirectURI()),
		"nonce":       values(t.nonce()),
		"realm":       []string{t.realm.Path},
		"userName":    []string{t.userName()},
	}
	if at := t.authTime(); at != 0 {
		b["auth_time"] = []string{decimal(at)}
	}
	if acr := t.acr(); acr != "" {
		b["acr"] = []string{acr}
	}
	if amr := t.amr(); len(amr) > 0 {
		b["authModules"] = values(amr...)
	}
	if t.record != nil && t.record.Claims != "" {
		b["claims"] = []string{t.record.Claims}
	}
	if administrator {
		if err := f.identify(b, t, id); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// identify adds the members that only administrators see.
func (f *lookup) identify(b map[string]any, t *oauthToken, id string) error {
	b["id"], b[memberID] = []string{id}, id
	b["parent"] = values(t.parent())
	b["authGrantId"] = values(t.grant())
	b["auditTrackingId"] = []string{t.handle()} // as introspection and tokeninfo have it
	if t.record == nil {
		return nil
	}
	refresh, err := f.refreshOf(f.c.r.Context(), t)
	if refresh != nil {
		b["refreshToken"] = []string{refresh.Authorization.Grant}
	}
	return err
}

// listed is the object of a token in a list (5.3).
func (f *lookup) listed(t *oauthToken, administrator bool) (map[string]any, error) {
	b, err := f.members(t, administrator, t.handle())
	if err != nil {
		return nil, err
	}
	expires := t.expires()
	refresh, err := f.refreshOf(f.c.r.Context(), t)
	if err != nil {
		return nil, err
	}
	if refresh != nil {
		expires = refresh.ExpiresAt
	}
	b["expireTime"] = expires.UTC().Format(listTime)
	b["display_name"] = t.client.Name
	b["scopes"] = strings.Join(t.scope(), ",")
	b[memberRev] = rev(b)
	return b, nil
}

// listTime is a medium date and a short time as people in the United States write them. AM goes by
// Accept-Language and its own time zone; here it is always that and UTC.
const listTime = "Jan 2, 2006 3:04 PM"

// milliseconds since 1970, in decimals.
func milliseconds(t time.Time) string { return decimal(t.UnixMilli()) }

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

// values is an array of the texts that are not empty; never null.
func values(texts ...string) []string {
	out := slices.DeleteFunc(slices.Clone(texts), func(s string) bool { return s == "" })
	if out == nil {
		return []string{}
	}
	return out
}

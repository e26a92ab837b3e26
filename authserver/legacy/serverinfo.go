package legacy

import (
	"net/url"
)

// serverInfo tells clients what they must know before they sign on: the name of
// the cookie above all (3.2). What this server has none of is said as AM says it, in words.
func (c *call) serverInfo() error {
	v, err := c.version(version{1, 0}, version{1, 1}, version{2, 0})
	if err != nil {
		return err
	}
	object := map[string]any{
		memberID:                                "*",
		"domains":                               []string{c.l.domain()},
		"protectedUserAttributes":               []string{},
		"cookieName":                            c.l.Cookie,
		"secureCookie":                          c.l.secure(),
		"forgotPassword":                        "false",
		"forgotUsername":                        "false",
		"kbaEnabled":                            "false",
		"selfRegistration":                      "false",
		"referralsEnabled":                      "false",
		"lang":                                  "en-US",
		"successfulUserRegistrationDestination": "default",
		"socialImplementations":                 []string{},
		"zeroPageLogin": map[string]any{
			"enabled": true, "refererWhitelist": []string{}, "allowedWithoutReferer": true,
		},
		"realm":                           c.realm.Path,
		"xuiUserSessionValidationEnabled": true,
		"fileBasedConfiguration":          false,
		"userIdAttributes":                []string{},
	}
	object[memberRev] = rev(object)
	c.w.Header().Set("ETag", `"`+object[memberRev].(string)+`"`)
	return c.answer(object, v.String())
}

// domain is where the cookie is sent.
func (l *Legacy) domain() string {
	if l.CookieDomain != "" {
		return l.CookieDomain
	}
	u, err := url.Parse(l.URL)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

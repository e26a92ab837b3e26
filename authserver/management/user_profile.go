package management

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/identity"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// textField is a member of a user that is text, and the claim that keeps it:
// OpenID Connect's where it has one (OIDC Core §5.1), else PingOne's name.
type textField struct {
	name   string // in the user's JSON; "name.given" is a member of the object name
	claim  string // "address.country" is a member of the claim address
	most   int    // characters
	filter bool   // users can be filtered by it
}

var userTexts = []textField{
	{"name.given", "given_name", 256, true}, {"name.family", "family_name", 256, true}, {"name.middle", "middle_name", 256, true},
	{"name.formatted", "name", 256, true},
	{"name.honorificPrefix", "honorificPrefix", 256, false}, {"name.honorificSuffix", "honorificSuffix", 256, false},
	{"address.streetAddress", "address.street_address", 256, true}, {"address.locality", "address.locality", 256, true},
	{"address.region", "address.region", 256, true}, {"address.postalCode", "address.postal_code", 40, true},
	{"address.countryCode", "address.country", 2, true},
	{"photo.href", "picture", 2048, false},
	{"externalId", "externalId", 1024, true}, {"locale", "locale", 256, true}, {"mobilePhone", "mobilePhone", 32, true},
	{"nickname", "nickname", 256, true}, {"preferredLanguage", "preferredLanguage", 256, true}, {"primaryPhone", "phone_number", 32, true},
	{"timezone", "zoneinfo", 256, true}, {"title", "title", 256, true}, {"type", "type", 256, true}, {"accountId", "accountId", 256, true},
}

// ownMembers are the members of a user beside those of userTexts: no custom attribute is called so.
var ownMembers = []string{
	"id", "environment", "_links", "_embedded", "createdAt", "updatedAt", "username", "email", "population", "account", "enabled",
	"mfaEnabled", "emailVerified", "password", "identityProvider", "lifecycle", "lastSignOn", "verifyStatus",
	"memberOfGroupIDs", "memberOfGroupNames", "memberOfGroups", "groups", "sub",
}

// keptClaims are the claims that are, or could be taken for, something else than a custom attribute.
var keptClaims = func() map[string]bool {
	kept := map[string]bool{}
	for _, name := range ownMembers {
		kept[strings.ToLower(name)] = true
	}
	for _, f := range userTexts {
		name, _, _ := strings.Cut(f.name, ".")
		claim, _, _ := strings.Cut(f.claim, ".")
		kept[strings.ToLower(name)], kept[strings.ToLower(claim)] = true, true
	}
	for _, claim := range []string{"email_verified", "preferred_username", "updated_at", "phone_number_verified"} {
		kept[claim] = true
	}
	return kept
}()

// reservedMember reports whether no custom attribute may be called so.
func reservedMember(name string) bool {
	return keptClaims[strings.ToLower(name)] || store.ReservedAttribute(name)
}

// maxCustom bounds what the custom attributes of one user take, in bytes of JSON.
const maxCustom = 64 << 10

// body is a user as somebody sent it.
type body map[string]json.RawMessage

// judgement collects what is wrong with a user.
type judgement struct{ problems []directory.Problem }

func (j *judgement) add(code, target, format string, args ...any) {
	j.problems = append(j.problems, directory.Problemf(code, target, format, args...))
}

func (j *judgement) verdict() error { return directory.Invalid(j.problems...) }

// isNull reports whether a member was not sent, or is null: both say that there is none.
func isNull(raw json.RawMessage) bool { return raw == nil || string(raw) == "null" }

// object reads a member that is an object; nil for none.
func (j *judgement) object(b body, name string) body {
	if isNull(b[name]) {
		return nil
	}
	var inner body
	if json.Unmarshal(b[name], &inner) != nil {
		j.add(directory.InvalidValue, name, "must be an object")
		return nil
	}
	if inner == nil {
		inner = body{}
	}
	return inner
}

// text reads a member that is text of at most so many characters; ok is false for none, and for a wrong one.
func (j *judgement) text(raw json.RawMessage, target string, most int) (value string, ok bool) {
	if isNull(raw) {
		return "", false
	}
	switch {
	case json.Unmarshal(raw, &value) != nil:
		j.add(directory.InvalidValue, target, "must be text")
	case utf8.RuneCountInString(value) > most:
		j.add(directory.SizeLimitExceeded, target, "must have at most %d characters", most)
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\n' && r != '\r' && r != '\t' || r == 0x7f }):
		j.add(directory.InvalidValue, target, "must not have control characters")
	default:
		return value, true
	}
	return "", false
}

// truth reads a member that is true or false.
func (j *judgement) truth(raw json.RawMessage, target string) (value, ok bool) {
	if isNull(raw) {
		return false, false
	}
	if json.Unmarshal(raw, &value) != nil {
		j.add(directory.InvalidValue, target, "must be true or false")
		return false, false
	}
	return value, true
}

// profile writes the profile of b into u: username, email, names, custom
// attributes. With whole, what b does not have goes, too; otherwise it stays, and null alone takes away.
func (j *judgement) profile(u *store.User, b body, whole bool) {
	u.Claims = maps.Clone(u.Claims)
	if u.Claims == nil {
		u.Claims = map[string]any{}
	}
	j.username(u, b, whole)
	j.email(u, b, whole)
	for _, f := range userTexts {
		j.field(u, b, f, whole)
	}
	if raw, sent := b["verifyStatus"]; sent || whole {
		j.verifyStatus(u, raw)
	}
	j.custom(u, b, whole)
}

func (j *judgement) username(u *store.User, b body, whole bool) {
	raw, sent := b["username"]
	switch name, ok := j.text(raw, "username", 128); {
	case ok && strings.TrimSpace(name) == "", isNull(raw) && (sent || whole):
		j.add(directory.RequiredValue, "username", "must not be empty")
	case ok && !identity.SetUsername(u, name):
		j.add(directory.InvalidValue, "username", "must be printable, without space around it")
	}
}

// email writes the address. One that nobody has confirmed is not verified.
func (j *judgement) email(u *store.User, b body, whole bool) {
	raw, sent := b["email"]
	switch address, ok := j.text(raw, "email", 254); {
	case ok && address == "", isNull(raw) && (sent || whole):
		j.add(directory.RequiredValue, "email", "must not be empty")
	case ok && identity.CheckAddress(address) != nil:
		j.add(directory.InvalidValue, "email", "must be an e-mail address")
	case ok && u.Claims["email"] != address:
		u.Claims["email"] = address
		setVerified(u, false)
	}
}

// setVerified says whether the address was confirmed.
func setVerified(u *store.User, verified bool) {
	u.Verified = verified
	u.Claims["email_verified"] = verified
}

// field writes one member that is text.
func (j *judgement) field(u *store.User, b body, f textField, whole bool) {
	raw, sent := b[f.name]
	if outer, inner, nested := strings.Cut(f.name, "."); nested {
		var object body
		if raw, sent = b[outer]; sent && !isNull(raw) {
			if json.Unmarshal(raw, &object) != nil {
				if !slices.ContainsFunc(j.problems, func(p directory.Problem) bool { return p.Target == outer }) {
					j.add(directory.InvalidValue, outer, "must be an object")
				}
				return
			}
			raw, sent = object[inner]
		}
	}
	if !sent && !whole {
		return
	}
	value, ok := j.text(raw, f.name, f.most)
	outer, inner, nested := strings.Cut(f.claim, ".")
	if !nested {
		if delete(u.Claims, outer); ok {
			u.Claims[outer] = value
		}
		return
	}
	old, _ := u.Claims[outer].(map[string]any)
	object := maps.Clone(old)
	if object == nil {
		object = map[string]any{}
	}
	if delete(object, inner); ok {
		object[inner] = value
	}
	if delete(u.Claims, outer); len(object) > 0 {
		u.Claims[outer] = object
	}
}

var verifyStatuses = []string{"NOT_INITIATED", "ENABLED", "DISABLED"}

// verifyStatusOf is the member verifyStatus of an answer.
func verifyStatusOf(u *store.User) string {
	if u.VerifyStatus == "" {
		return verifyStatuses[0]
	}
	return u.VerifyStatus
}

func (j *judgement) verifyStatus(u *store.User, raw json.RawMessage) {
	status, ok := j.text(raw, "verifyStatus", 32)
	if !ok {
		u.VerifyStatus = ""
		return
	}
	if !slices.Contains(verifyStatuses, status) {
		j.oneOf("verifyStatus", verifyStatuses)
		return
	}
	u.VerifyStatus = status
}

// oneOf says that a member is none of the values that it may have.
func (j *judgement) oneOf(target string, allowed []string) {
	p := directory.Problemf(directory.InvalidValue, target, "must be one of %s", strings.Join(allowed, ", "))
	p.Inner = map[string]any{"allowedValues": allowed}
	j.problems = append(j.problems, p)
}

// custom writes the attributes that an organization has added: whatever is called like no member that there is.
func (j *judgement) custom(u *store.User, b body, whole bool) {
	if whole {
		for claim := range u.Claims {
			if !keptClaims[strings.ToLower(claim)] {
				delete(u.Claims, claim)
			}
		}
	}
	size := 0
	for name, raw := range b {
		if known := ownMembers; slices.Contains(known, name) || isTextMember(name) {
			continue
		}
		switch {
		case !customAttribute.MatchString(name):
			j.add(directory.InvalidValue, "", "The name of an attribute must be a letter and then at most 127 letters, digits, - and _")
			continue
		case reservedMember(name):
			j.add(directory.InvalidValue, name, "is the name of something else and cannot be a custom attribute")
			continue
		}
		if isNull(raw) {
			delete(u.Claims, name)
			continue
		}
		var value any
		if json.Unmarshal(raw, &value) != nil {
			j.add(directory.InvalidValue, name, "must be text, a number, true, false, an object or an array")
			continue
		}
		size += len(name) + len(raw)
		u.Claims[name] = value
	}
	if size > maxCustom {
		j.add(directory.SizeLimitExceeded, "", "The custom attributes must take at most %d bytes", maxCustom)
	}
}

// isTextMember reports whether name is a member of userTexts, or the object that some are in.
func isTextMember(name string) bool {
	return slices.ContainsFunc(userTexts, func(f textField) bool {
		return f.name == name || strings.HasPrefix(f.name, name+".")
	})
}

// userText is a member that is text, in PingOne's words; ok is false where the user has none.
func userText(u *store.User, name string) (string, bool) {
	claim := name
	if at := slices.IndexFunc(userTexts, func(f textField) bool { return f.name == name }); at >= 0 {
		claim = userTexts[at].claim
	}
	outer, inner, nested := strings.Cut(claim, ".")
	value := u.Claims[outer]
	if nested {
		object, _ := value.(map[string]any)
		value = object[inner]
	}
	text, ok := value.(string)
	return text, ok
}

// profileOf are the members of a user's profile.
func profileOf(u *store.User) map[string]any {
	v := map[string]any{"username": identity.Spelling(u)}
	for claim, value := range u.Claims {
		if !keptClaims[strings.ToLower(claim)] && !store.ReservedAttribute(claim) {
			v[claim] = value
		}
	}
	if address, ok := u.Claims["email"].(string); ok {
		v["email"] = address
	}
	for _, f := range userTexts {
		text, ok := userText(u, f.name)
		if !ok {
			continue
		}
		outer, inner, nested := strings.Cut(f.name, ".")
		if !nested {
			v[outer] = text
			continue
		}
		object, _ := v[outer].(map[string]any)
		if object == nil {
			object = map[string]any{}
			v[outer] = object
		}
		object[inner] = text
	}
	return v
}

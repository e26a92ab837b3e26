package legacy

import (
	"net/url"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/pattern"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// redacted stands for what was hidden, as Caddy writes it for credentials in headers.
const redacted = "REDACTED"

// separator is what some reader may take for the end of a segment, however often it was escaped.
var separator = pattern.New(`(?i)[/\\]|%(25)*(2f|5c)`)

// Redact gives an address (a path with or without query, or a whole URL) of which nothing opens anything any more; hidden tells
// whether something was hidden. It errs on the side of hiding: near misses of our paths count.
//
// Ours is what has a segment am first, or frrest, or oauth2 with token behind it, or json with sessions behind it, anywhere: in any case, escaped any number of
// times, with any slashes between. Of such a path the words of our own stay, and what can be no token.
func Redact(address string) (shown string, hidden bool) {
	front, path, behind := takeApart(address)
	segments := separator.Split(path, -1)
	words := make([]string, len(segments))
	for i, s := range segments {
		words[i] = plain(s)
	}
	if !ours(words) {
		return address, false
	}
	var b strings.Builder
	b.WriteString(front)
	secret := false // what follows may be one
	for i, s := range segments {
		if i > 0 {
			b.WriteByte('/')
		}
		switch w := words[i]; {
		case strings.Trim(s, ".") == "":
			b.WriteString(s)
		case known[w] && !(secret && !after[w]):
			if strings.EqualFold(strings.Trim(s, "."), w) {
				b.WriteString(s)
			} else { // there is more in it, or it is escaped
				b.WriteString(w)
				if strings.ContainsRune(unescaped(s), ';') { // parameters of the segment, which plain does not look at
					b.WriteString(";" + redacted)
				}
				hidden = true
			}
			secret = secret || opens[w]
		case secret || !harmless.MatchString(s):
			b.WriteString(redacted)
			hidden = true
		default:
			b.WriteString(s)
		}
	}
	query, inQuery := redactQuery(behind)
	if !hidden && !inQuery {
		return address, false
	}
	return b.String() + query, true
}

// takeApart splits scheme and authority off, and query and fragment.
func takeApart(address string) (front, path, behind string) {
	path = address
	if i := strings.IndexAny(path, "?#"); i >= 0 {
		path, behind = path[:i], path[i:]
	}
	if i := strings.Index(path, "://"); i >= 0 && !strings.ContainsAny(path[:i], `/\`) {
		n := i + len("://")
		if j := strings.IndexAny(path[n:], `/\%`); j >= 0 {
			return path[:n+j], path[n+j:], behind
		}
		return path, "", behind
	}
	return "", path, behind
}

// maxEscapes is how often a segment is unescaped. What is still escaped then is no word of ours, and hidden.
const maxEscapes = 8

// plain is what a careless reader may take a segment for: unescaped to the end, in lower case, without parameters
// and what is not seen.
func plain(s string) string {
	s, _, _ = strings.Cut(unescaped(s), ";")
	return strings.ToLower(strings.TrimFunc(strings.ToUpper(s), func(r rune) bool { return r <= ' ' || r == 0x7f || r == '.' }))
}

// unescaped is a segment unescaped to the end, within reason.
func unescaped(s string) string {
	for range maxEscapes {
		next, err := url.PathUnescape(s)
		if err != nil || next == s {
			break
		}
		s = next
	}
	return s
}

// ours reports whether the segments of a path are, or nearly are, one of ours. It looks at each once: anybody can send
// very many.
func ours(words []string) bool {
	some, json, oauth2 := false, false, false // what was in front
	for _, w := range words {
		switch {
		case w == "":
			continue
		case strings.Contains(w, "frrest"), w == "am" && !some, strings.HasPrefix(w, "token") && oauth2:
			return true
		case w == "sessions" && json: // /v1 has sessions too, whose IDs open nothing
			return true
		}
		some, json, oauth2 = true, json || w == "json", oauth2 || strings.Contains(w, "oauth2")
	}
	return false
}

// known are the words of our paths, which say nothing. Behind those that opens has, nothing but the words of after is shown: a token
// follows, or would with a slip of the pen.
var (
	known = set("am", "json", "frrest", "oauth2", "realms", "root", "serverinfo", "*", "authenticate", "sessions", "users", "applications",
		"token", "tokeninfo", "introspect", "revoke", "access_token", "authorize", "userinfo", "register", "par", "connect",
		"jwk_uri", "endsession", "checksession", "well-known", "openid-configuration")
	opens = set("frrest", "sessions", "token", "tokeninfo", "introspect", "revoke", "access_token", "userinfo", "authenticate", "authorize",
		"endsession", "checksession", "par")
	after = set("oauth2", "token", "revoke", "realms", "root", "json")
)

// harmless is what can be no token of ours, all of which are longer than the ID of a person.
var harmless = pattern.New(`^[A-Za-z0-9._@:+~-]{1,36}$`)

func set(words ...string) map[string]bool {
	m := map[string]bool{}
	for _, w := range words {
		m[w] = true
	}
	return m
}

// confidential are AM's parameters whose values open something, or did: SSO tokens, steps of a sign-on, credentials typed into
// an address, and queries that may name a token; and that of the page that asks whether to sign off.
var confidential = set("tokenid", "sessionupgradessotokenid", "ssotokenid", "subjectid", "authid", "idtoken1", "idtoken2", "_queryid", "confirmation")

// Confidential is oauth.Confidential with AM's parameters.
func Confidential(parameter string) bool {
	return confidential[parameter] || oauth.Confidential(parameter)
}

// redactQuery hides the values of those in a query, a reference to a request too, and a fragment altogether.
func redactQuery(behind string) (shown string, hidden bool) {
	query, fragment, _ := strings.Cut(behind, "#")
	if fragment != "" {
		fragment, hidden = "#"+redacted, true
	}
	if query == "" {
		return fragment, hidden
	}
	parts := strings.FieldsFunc(query[1:], func(r rune) bool { return r == '&' || r == ';' })
	for i, p := range parts {
		name, value, _ := strings.Cut(p, "=")
		asked := plain(strings.ReplaceAll(name, "+", " "))
		if value != "" && (Confidential(asked) || asked == "request_uri") {
			parts[i], hidden = name+"="+redacted, true
		}
	}
	return "?" + strings.Join(parts, "&") + fragment, hidden
}

package caddymodule

import (
	"encoding/json"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

// claimText writes one claim as text: strings verbatim, numbers and booleans as
// in the token, arrays of strings joined by commas. ok is false for what has no
// such form: absent, null, objects, other arrays, and arrays with a member that
// holds a comma, which could not be told from two members.
//
// A name with dots reaches into objects where no claim has the whole name.
func claimText(c *jose.Claims, name string) (text string, ok bool) {
	if text, ok := c.Text(name); ok {
		return text, true
	}
	if v, ok := c.Value(name); ok {
		return valueText(v)
	}
	first, rest, dotted := strings.Cut(name, ".")
	if !dotted {
		return "", false
	}
	v, _ := c.Value(first)
	for {
		members, isObject := v.(map[string]any)
		if !isObject {
			return "", false
		}
		if v, ok = members[rest]; ok {
			return valueText(v)
		}
		if first, rest, dotted = strings.Cut(rest, "."); !dotted {
			return "", false
		}
		v = members[first]
	}
}

func valueText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		if v {
			return "true", true
		}
		return "false", true
	case []any:
		return joined(v)
	}
	return "", false
}

func joined(list []any) (string, bool) {
	var b strings.Builder
	for i, member := range list {
		s, ok := member.(string)
		if !ok || strings.Contains(s, ",") {
			return "", false
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(s)
	}
	return b.String(), true
}

// headerText is a claim as the value of a header. ok is false where the upstream
// would not read exactly the claim's text: it is empty, has control or other
// invisible characters, or white space around it, which parsers remove.
func headerText(c *jose.Claims, name string) (text string, ok bool) {
	text, ok = claimText(c, name)
	if !ok || text == "" || text[0] == ' ' || text[len(text)-1] == ' ' {
		return "", false
	}
	for i := 0; i < len(text); i++ {
		if text[i] < ' ' || text[i] > '~' {
			return text, printable(text)
		}
	}
	return text, true
}

// printable reports whether text is UTF-8 of visible characters and spaces.
func printable(text string) bool {
	if !utf8.ValidString(text) {
		return false
	}
	for _, r := range text {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

// placeholderText is the value of {http.auth.user.<name>}: a claim's text, empty
// where there is none. id stands for sub; a claim that is named id is out of
// reach.
func placeholderText(c *jose.Claims, name string) string {
	if name == "id" {
		return c.Subject
	}
	text, _ := claimText(c, name)
	return text
}

// logDecision adds what is known of the token to this request's line in the
// access log. Without access logs it does nothing, and costs nothing.
func logDecision(r *http.Request, what zapcore.ObjectMarshaler) {
	if srv, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok && srv.Logs == nil {
		return
	}
	if extra, ok := r.Context().Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields); ok {
		// Inline: what encodes itself, later and only if the line is written. The key is
		// not written; it lets a second handler replace what the first one said.
		extra.Set(zap.Field{Key: "gatehouse", Type: zapcore.InlineMarshalerType, Interface: what})
	}
	decidedAbout(r, what)
}

// allowedLog describes the token of a request that was let through.
type allowedLog resourceserver.Token

// MarshalLogObject implements zapcore.ObjectMarshaler.
func (l *allowedLog) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	logToken(enc, (*resourceserver.Token)(l))
	enc.AddString("token.decision", resourceserver.Allowed.String())
	return nil
}

// refusedLog describes a refusal. Only a token that was verified is described:
// what another one claims may be anything.
type refusedLog struct {
	failure *oauth.Error
	token   *resourceserver.Token // nil unless the policy refused it
	shadow  bool                  // the request passed nevertheless
}

// MarshalLogObject implements zapcore.ObjectMarshaler.
func (l *refusedLog) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	if l.token != nil {
		logToken(enc, l.token)
	}
	enc.AddString("token.decision", l.failure.Reason)
	if l.shadow {
		enc.AddBool("token.shadow", true)
	}
	return nil
}

// anonymousLog says that a request was passed on that presented nothing.
type anonymousLog struct{}

// MarshalLogObject implements zapcore.ObjectMarshaler.
func (anonymousLog) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	enc.AddString("token.decision", "anonymous")
	return nil
}

// preflightLog says that a preflight request was passed on.
type preflightLog struct{}

// MarshalLogObject implements zapcore.ObjectMarshaler.
func (preflightLog) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	enc.AddString("token.decision", "preflight")
	return nil
}

// logToken writes who the token is for and which one it is; never the token.
func logToken(enc zapcore.ObjectEncoder, t *resourceserver.Token) {
	enc.AddString("token.iss", t.Issuer())
	for _, field := range [...]struct{ key, value string }{
		{"token.client_id", t.Claims.ClientID},
		{"token.sub", t.Claims.Subject},
		{"token.jti", t.Claims.ID},
	} {
		if field.value != "" {
			enc.AddString(field.key, field.value)
		}
	}
}

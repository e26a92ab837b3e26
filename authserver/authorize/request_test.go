package authorize_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/authorize"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

func encode(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// unsigned is a request object with alg none.
func unsigned(claims []byte) string {
	return encode(`{"alg":"none"}`) + "." + encode(string(claims)) + "."
}

const badObject = "BACK invalid_request_object query"

func TestRequestObject(t *testing.T) {
	base := newKit(t)
	at := func(d time.Duration) int64 { return base.clock.Now().Add(d).Unix() }
	hs := func(changes map[string]any) []string {
		return []string{"request", base.signed(jose.HS256, object(changes))}
	}
	public := func(k *kit) { k.client.JWKS = testkit.JWKS(t, rsaKey(t)) }
	byRSA, err := rsaKey(t).Sign("", object(nil))
	if err != nil {
		t.Fatal(err)
	}
	other := testkit.SigningKey(t, testkit.ECKey, jose.ES256, "client-key")
	byOther, err := other.Sign("", object(nil))
	if err != nil {
		t.Fatal(err)
	}
	raw := func(request string) []string { return []string{"request", request} }
	typed := func(typ string) []string {
		s, err := jose.SignSecret(jose.HS256, []byte(aSecret), typ, object(nil))
		if err != nil {
			t.Fatal(err)
		}
		return raw(s)
	}
	wrong, err := jose.SignSecret(jose.HS256, []byte(strings.Repeat("w", 64)), "", object(nil))
	if err != nil {
		t.Fatal(err)
	}
	allowNone := func(k *kit) { k.client.UnsignedRequestObject = true }
	run(t, []row{
		{"HS256", nil, hs(nil), "ok"},
		{"HS384", nil, raw(base.signed(jose.HS384, object(nil))), "ok"},
		{"HS512", nil, raw(base.signed(jose.HS512, object(nil))), "ok"},
		{"RS256 by the client's key", public, raw(byRSA), "ok"},
		{"RS256 without a key of the client", nil, raw(byRSA), badObject},
		{"ES256 by a key of nobody", public, raw(byOther), badObject},
		{"another secret", nil, raw(wrong), badObject},
		{"a previous secret that is still good", func(k *kit) {
			k.client.Secrets = []store.ClientSecret{{Value: []byte("the new one of this client, long enough")}, {Value: []byte(aSecret), Expires: k.clock.Now().Add(time.Second)}}
		}, hs(nil), "ok"},
		{"a previous secret that has ended", func(k *kit) {
			k.client.Secrets = []store.ClientSecret{{Value: []byte("the new one of this client, long enough")}, {Value: []byte(aSecret), Expires: k.clock.Now()}}
		}, hs(nil), badObject},
		{"a client without secrets", func(k *kit) { k.client.Secrets = nil }, hs(nil), badObject},
		{"a secret that is too short for the hash", func(k *kit) { k.client.Secrets[0].Value = []byte(aSecret[:32]) }, raw(base.signed(jose.HS512, object(nil))), badObject},
		{"HMAC with the public key", func(k *kit) { public(k); k.client.Secrets = nil }, raw(hmacWith(t, testkit.JWKS(t, rsaKey(t)))), badObject},
		{"a client's keys that cannot be had", func(k *kit) { k.client.JWKS = []byte("{") }, raw(byRSA), "PAGE temporarily_unavailable"},

		{"the alg that is registered", func(k *kit) { k.client.RequestObjectAlgorithm = jose.HS384 }, raw(base.signed(jose.HS384, object(nil))), "ok"},
		{"another alg than is registered", func(k *kit) { k.client.RequestObjectAlgorithm = jose.HS384 }, raw(base.signed(jose.HS512, object(nil))), badObject},
		{"alg none where another is registered", func(k *kit) { allowNone(k); k.client.RequestObjectAlgorithm = jose.HS384 }, raw(unsigned(object(nil))), badObject},

		{"alg none", nil, raw(unsigned(object(nil))), badObject},
		{"alg none where it is allowed", allowNone, raw(unsigned(object(nil))), "ok"},
		{"alg none where it is allowed, strictly", func(k *kit) { allowNone(k); strict(k) }, raw(unsigned(object(nil))), badObject},
		{"alg none where signed ones are required", func(k *kit) { allowNone(k); k.client.SignedRequestObject = true }, raw(unsigned(object(nil))), badObject},
		{"alg none with a signature", allowNone, raw(unsigned(object(nil)) + "AAAA"), badObject},
		{"a signed one where none is allowed", allowNone, hs(nil), "ok"},
		{"a badly signed one where none is allowed", allowNone, raw(wrong), badObject},
		{"a signed one without its signature", allowNone, raw(wrong[:strings.LastIndexByte(wrong, '.')+1]), badObject},
		{"alg none, another issuer", allowNone, raw(unsigned(object(map[string]any{"iss": "other"}))), badObject},

		{"typ of RFC 9101", nil, typed("oauth-authz-req+jwt"), "ok"},
		{"typ JWT", nil, typed("JWT"), "ok"},
		{"typ of an access token", nil, typed("at+jwt"), badObject},
		{"typ of a client assertion", nil, typed("client-authentication+jwt"), badObject},

		{"another iss", nil, hs(map[string]any{"iss": "other"}), badObject},
		{"no iss", nil, hs(map[string]any{"iss": nil}), badObject},
		{"another aud", nil, hs(map[string]any{"aud": "https://other.example.com"}), badObject},
		{"no aud", nil, hs(map[string]any{"aud": nil}), badObject},
		{"the issuer among several aud", nil, hs(map[string]any{"aud": []string{"https://other.example.com", issuer}}), "ok"},
		{"several aud without the issuer", nil, hs(map[string]any{"aud": []string{"https://other.example.com", issuer + "/"}}), badObject},
		{"sub is the client", nil, hs(map[string]any{"sub": "app"}), badObject},
		{"sub is a person", nil, hs(map[string]any{"sub": "alice-id"}), "ok"},
		{"exp ahead", nil, hs(map[string]any{"exp": at(time.Minute)}), "ok"},
		{"expired ten seconds ago", nil, hs(map[string]any{"exp": at(-10 * time.Second)}), "ok"},
		{"expired a minute ago", nil, hs(map[string]any{"exp": at(-time.Minute)}), badObject},
		{"exp that is no number", nil, hs(map[string]any{"exp": "soon"}), badObject},
		{"nbf ten seconds ahead", nil, hs(map[string]any{"nbf": at(10 * time.Second)}), "ok"},
		{"nbf a minute ahead", nil, hs(map[string]any{"nbf": at(time.Minute)}), badObject},
		{"iat a minute ahead", nil, hs(map[string]any{"iat": at(time.Minute)}), badObject},

		{"another client_id", nil, hs(map[string]any{"client_id": "other"}), badObject},
		{"no client_id", nil, hs(map[string]any{"client_id": nil}), "ok"},
		{"another response_type", nil, hs(map[string]any{"response_type": "code token"}), badObject},
		{"response_type inside alone", nil, append([]string{"response_type", ""}, hs(nil)...), "ok"},
		{"response_type in another order", nil, append([]string{"response_type", "token code"}, hs(map[string]any{"response_type": "code token"})...), "ok"},
		{"a request inside", nil, hs(map[string]any{"request": "x"}), badObject},
		{"a request_uri inside", nil, hs(map[string]any{"request_uri": "https://x.example.com"}), badObject},
		{"a parameter of another kind", nil, hs(map[string]any{"scope": []string{"openid"}}), badObject},
		{"unknown members", nil, hs(map[string]any{"extra": map[string]any{"x": 1}, "pi.clientContext": "x"}), "ok"},
		{"max_age as a number", nil, hs(map[string]any{"max_age": 10}), "ok"},
		{"max_age that is no whole number", nil, hs(map[string]any{"max_age": 1.5}), "BACK invalid_request query"},
		{"claims as an object", nil, hs(map[string]any{"claims": map[string]any{"userinfo": map[string]any{"name": nil}}}), "ok"},
		{"claims as text", nil, hs(map[string]any{"claims": `{"userinfo":{"name":null}}`}), "ok"},
		{"what is inside is judged", nil, hs(map[string]any{"prompt": "none login"}), "BACK invalid_request query"},

		{"no JWS", nil, raw("x"), badObject},
		{"an encrypted one", nil, raw(encode(`{"alg":"dir","enc":"A256GCM"}`) + "..AAAA.AAAA.AAAA"), badObject},
		{"no object inside", nil, raw(base.signed(jose.HS256, []byte(`{}`))), badObject},
		{"too long", nil, raw(base.signed(jose.HS256, object(map[string]any{"x": strings.Repeat("x", 32<<10)}))), badObject},
		{"empty is absent", nil, []string{"request", "="}, "ok"},
		{"empty is absent, and signed ones are required", func(k *kit) { k.client.SignedRequestObject = true }, []string{"request", "="}, "BACK invalid_request query"},
		{"absent, and signed ones are required", func(k *kit) { k.client.SignedRequestObject = true }, nil, "BACK invalid_request query"},
		{"signed, and that is required", func(k *kit) { k.client.SignedRequestObject = true }, hs(nil), "ok"},

		{"a bad one, and no redirect_uri beside it", nil, append([]string{"redirect_uri", ""}, raw("x")...), "PAGE invalid_request_object"},
		{"a bad one, and another redirect_uri beside it", nil, append([]string{"redirect_uri", "https://evil.example.com/"}, raw("x")...), "PAGE invalid_request"},
		{"a bad redirect_uri inside, a good one outside", nil, hs(map[string]any{"redirect_uri": "https://evil.example.com/"}), "PAGE invalid_request"},
		{"a good redirect_uri inside, a bad one outside", nil, append([]string{"redirect_uri", "https://evil.example.com/"}, hs(nil)...), "ok"},
		{"without client_id outside", nil, append([]string{"client_id", ""}, hs(nil)...), "PAGE invalid_request"},
	})
}

// hmacWith signs with what is public.
func hmacWith(t *testing.T, public []byte) string {
	t.Helper()
	raw, err := jose.SignSecret(jose.HS256, public, "", object(nil))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestRequestObjectWins(t *testing.T) {
	k := newKit(t)
	request := k.signed(jose.HS256, object(map[string]any{"scope": "openid email", "max_age": 10, "code_challenge": challenge, "code_challenge_method": "S256"}))
	req, failure := k.read("request", request, "login_hint", "outside", "code_challenge", verifier, "code_challenge_method", "plain")
	if failure != nil {
		t.Fatal(failure)
	}
	if req.ReplyTo.State != "inside" || req.Nonce != "n-2" || strings.Join(req.Scope, " ") != "openid email" || *req.MaxAge != 10 || req.Challenge != challenge || req.Method != "S256" {
		t.Errorf("request = %+v, want what is inside", req)
	}
	if req.LoginHint != "outside" {
		t.Errorf("login_hint = %q, want the one outside to fill the gap", req.LoginHint)
	}

	t.Run("nothing outside counts where signed ones are required (RFC 9101 §6.3)", func(t *testing.T) {
		k.client.SignedRequestObject = true
		defer func() { k.client.SignedRequestObject = false }()
		req, failure := k.read("request", request, "login_hint", "outside", "prompt", "none login", "response_mode", "form_post")
		if failure != nil || req.LoginHint != "" || req.Prompt != nil || req.ReplyTo.Mode != "query" {
			t.Errorf("got %+v, %v, want nothing of what is outside", req, failure)
		}
		if _, failure := k.read("request", k.signed(jose.HS256, object(map[string]any{"redirect_uri": nil}))); outcome(failure) != "PAGE invalid_request" {
			t.Errorf("got %s, want the redirect_uri outside ignored", outcome(failure))
		}
	})
	t.Run("an empty challenge inside is no challenge outside", func(t *testing.T) {
		_, failure := k.read("request", k.signed(jose.HS256, object(map[string]any{"code_challenge": ""})), "code_challenge", challenge, "code_challenge_method", "S256")
		if outcome(failure) != "BACK invalid_request query" {
			t.Errorf("got %s, want invalid_request", outcome(failure))
		}
	})
}

func TestPushedRequest(t *testing.T) {
	k := newKit(t)
	k.client.PARTimeout = 90 * time.Second
	push := func(t *testing.T, f *web.Form) string {
		t.Helper()
		uri, life, err := k.reader.Push(t.Context(), k.env, k.client, f, "")
		if err != nil {
			t.Fatal(err)
		}
		if life != 90*time.Second || !strings.HasPrefix(uri, "urn:ietf:params:oauth:request_uri:") || len(uri) < 34+43 {
			t.Fatalf("got %q for %v", uri, life)
		}
		return uri
	}
	by := func(uri string, more ...string) *web.Form {
		f := web.NewForm([2]string{"client_id", "app"}, [2]string{"request_uri", uri})
		for i := 0; i < len(more); i += 2 {
			f.Set(more[i], more[i+1])
		}
		return f
	}
	const gone = "PAGE invalid_request_uri"

	t.Run("used once", func(t *testing.T) {
		uri := push(t, form("response_type", "code id_token", "state", "ü&=+ %", "code_challenge", challenge, "code_challenge_method", "S256"))
		req, failure := k.readForm(by(uri))
		if failure != nil {
			t.Fatal(failure)
		}
		if req.ReplyTo != (authorize.ReplyTo{URI: callback, Mode: "fragment", State: "ü&=+ %"}) || req.Challenge != challenge || !req.RedirectSent {
			t.Errorf("request = %+v, want what was pushed", req)
		}
		if _, failure = k.readForm(by(uri)); outcome(failure) != gone {
			t.Errorf("second use: %s, want %s", outcome(failure), gone)
		}
	})
	t.Run("nothing beside it counts", func(t *testing.T) {
		uri := push(t, form())
		req, failure := k.readForm(by(uri, "redirect_uri", "https://evil.example.com/", "state", "outside", "scope", "orders:read", "prompt", "none", "response_mode", "form_post", "login_hint", "x"))
		if failure != nil || req.ReplyTo != (authorize.ReplyTo{URI: callback, Mode: "query", State: "s-1"}) || req.Prompt != nil || req.LoginHint != "" || req.Scope[0] != "openid" {
			t.Errorf("got %+v, %v, want what was pushed alone", req, failure)
		}
	})
	t.Run("not by another client, which leaves it good", func(t *testing.T) {
		k.directory.clients["other"] = everything("other")
		uri := push(t, form())
		if _, failure := k.readForm(by(uri, "client_id", "other")); outcome(failure) != gone {
			t.Errorf("got %s, want %s", outcome(failure), gone)
		}
		if _, failure := k.readForm(by(uri)); failure != nil {
			t.Errorf("its own client: %v, want it good", failure)
		}
	})
	t.Run("not without client_id", func(t *testing.T) {
		uri := push(t, form())
		if _, failure := k.readForm(web.NewForm([2]string{"request_uri", uri})); outcome(failure) != "PAGE invalid_request" {
			t.Errorf("got %s, want a page", outcome(failure))
		}
		if _, failure := k.readForm(by(uri)); failure != nil {
			t.Errorf("afterwards: %v, want it good", failure)
		}
	})
	t.Run("not in another environment", func(t *testing.T) {
		uri := push(t, form())
		other, client := *k.env, everything("app")
		other.ID, client.Environment = "0b000000-0000-4000-8000-00000000000b", "0b000000-0000-4000-8000-00000000000b"
		reader := *k.reader
		reader.Directory = &directory{clients: map[string]*store.Client{"app": client}}
		if _, _, err := reader.Read(t.Context(), &other, by(uri)); oauth.From(err).Code != oauth.CodeInvalidRequestURI {
			t.Errorf("error = %v, want invalid_request_uri", err)
		}
		if _, failure := k.readForm(by(uri)); failure != nil {
			t.Errorf("at home: %v, want it good", failure)
		}
	})
	t.Run("not when it has expired", func(t *testing.T) {
		early, late := push(t, form()), push(t, form())
		k.clock.Advance(89 * time.Second)
		if _, failure := k.readForm(by(early)); failure != nil {
			t.Errorf("after 89 s: %v, want it good", failure)
		}
		k.clock.Advance(2 * time.Second)
		if _, failure := k.readForm(by(late)); outcome(failure) != gone {
			t.Errorf("after 91 s: %s, want %s", outcome(failure), gone)
		}
	})
	t.Run("not guessed", func(t *testing.T) {
		for _, uri := range []string{"urn:ietf:params:oauth:request_uri:", "urn:ietf:params:oauth:request_uri:x", "urn:ietf:params:oauth:request_uri:" + strings.Repeat("A", 43), "urn:ietf:params:oauth:request_uri:" + strings.Repeat("A", 4000)} {
			if _, failure := k.readForm(by(uri)); outcome(failure) != gone {
				t.Errorf("%.60s: %s, want %s", uri, outcome(failure), gone)
			}
		}
	})
	t.Run("judged again when used", func(t *testing.T) {
		uri := push(t, form())
		k.client.RedirectURIs = []string{"https://app.example.com/moved"}
		_, failure := k.readForm(by(uri))
		k.client.RedirectURIs = []string{callback}
		if outcome(failure) != "PAGE invalid_request" {
			t.Errorf("got %s, want a page: the address is not registered any more", outcome(failure))
		}
		uri = push(t, form("response_type", "token"))
		k.client.ResponseTypes = []string{"code"}
		_, failure = k.readForm(by(uri))
		k.client.ResponseTypes = []string{"code", "token", "id_token"}
		if outcome(failure) != "BACK unauthorized_client fragment" {
			t.Errorf("got %s, want unauthorized_client: tokens are not enabled any more", outcome(failure))
		}
	})
	t.Run("with a request object", func(t *testing.T) {
		k.client.SignedRequestObject, k.client.PARRequired = true, true
		defer func() { k.client.SignedRequestObject, k.client.PARRequired = false, false }()
		request := k.signed(jose.HS256, object(map[string]any{"exp": k.clock.Now().Add(time.Second).Unix()}))
		uri := push(t, web.NewForm([2]string{"client_id", "app"}, [2]string{"request", request}))
		k.clock.Advance(time.Minute) // it has expired, and was good when it was pushed
		req, failure := k.readForm(by(uri))
		if failure != nil || req.ReplyTo.State != "inside" {
			t.Errorf("got %+v, %v, want what was inside", req, failure)
		}
		if _, _, err := k.reader.Push(t.Context(), k.env, k.client, form(), ""); oauth.From(err).Code != oauth.CodeInvalidRequest {
			t.Errorf("error = %v, want invalid_request without an object", err)
		}
	})
	t.Run("required and not done", func(t *testing.T) {
		k.client.PARRequired = true
		defer func() { k.client.PARRequired = false }()
		if _, failure := k.read(); outcome(failure) != "BACK invalid_request query" {
			t.Errorf("got %s, want invalid_request", outcome(failure))
		}
		if _, failure := k.read("request", k.signed(jose.HS256, object(nil))); outcome(failure) != "BACK invalid_request query" {
			t.Errorf("with a request object: %s, want invalid_request", outcome(failure))
		}
		if _, failure := k.readForm(by(push(t, form()))); failure != nil {
			t.Errorf("pushed: %v, want it good", failure)
		}
	})
	t.Run("references that are none of ours are never fetched", func(t *testing.T) {
		if _, failure := k.read("request_uri", "https://app.example.com/request.jwt"); outcome(failure) != "BACK request_uri_not_supported query" {
			t.Errorf("got %s, want request_uri_not_supported", outcome(failure))
		}
		if _, failure := k.read("request_uri", "URN:ietf:params:oauth:request_uri:x"); outcome(failure) != "BACK request_uri_not_supported query" {
			t.Errorf("got %s, want request_uri_not_supported", outcome(failure))
		}
		if _, failure := k.read("request_uri", "https://app.example.com/request.jwt", "redirect_uri", "https://evil.example.com/"); outcome(failure) != "PAGE invalid_request" {
			t.Errorf("got %s, want a page", outcome(failure))
		}
	})
	t.Run("request and request_uri exclude each other", func(t *testing.T) {
		uri := push(t, form())
		if _, failure := k.read("request_uri", uri, "request", k.signed(jose.HS256, object(nil))); outcome(failure) != "BACK invalid_request query" {
			t.Errorf("got %s, want invalid_request", outcome(failure))
		}
		if _, failure := k.readForm(by(uri)); failure != nil {
			t.Errorf("afterwards: %v, want it good", failure)
		}
	})
	t.Run("refused at once", func(t *testing.T) {
		for name, tt := range map[string]struct {
			form *web.Form
			code string
		}{
			"another redirect_uri":  {form("redirect_uri", "https://evil.example.com/"), "invalid_request"},
			"a reference":           {form("request_uri", "urn:ietf:params:oauth:request_uri:x"), "invalid_request"},
			"an empty reference":    {form("request_uri", "="), "invalid_request"},
			"an unknown type":       {form("response_type", "device"), "unsupported_response_type"},
			"a bad scope":           {form("scope", "admin"), "invalid_scope"},
			"a bad object":          {form("request", "x"), "invalid_request_object"},
			"an empty challenge":    {form("code_challenge", "="), "invalid_request"},
			"no nonce":              {form("nonce", "", "response_type", "id_token"), "invalid_request"},
			"an unreachable acr":    {form("claims", `{"id_token":{"acr":{"essential":true,"value":"1"}}}`), "unmet_authentication_requirements"},
			"too long a state":      {form("state", strings.Repeat("s", authorize.MaxState+1)), "invalid_request"},
			"another client inside": {form("request", k.signed(jose.HS256, object(map[string]any{"client_id": "other"}))), "invalid_request_object"},
		} {
			uri, _, err := k.reader.Push(t.Context(), k.env, k.client, tt.form, "")
			if e, ok := errors.AsType[*oauth.Error](err); !ok || e.Code != tt.code || e.Status != http.StatusBadRequest || uri != "" {
				t.Errorf("%s: got %q, %v, want %s", name, uri, err, tt.code)
			}
		}
	})
	t.Run("by default for a minute", func(t *testing.T) {
		k.client.PARTimeout = 0
		if _, life, err := k.reader.Push(t.Context(), k.env, k.client, form(), ""); err != nil || life != time.Minute {
			t.Errorf("got %v, %v, want a minute", life, err)
		}
	})
}

// keeper remembers the tickets that pass.
type keeper struct {
	store.Tickets
	put []store.Ticket
}

// What is kept of a pushed request has neither the credentials that came with it
// nor anything that nobody will read.
func TestPushedRequestKeepsNoSecret(t *testing.T) {
	k := newKit(t)
	kept := &keeper{Tickets: k.db}
	k.reader.Tickets = kept
	request := k.signed(jose.HS256, object(nil))
	f := form("request", request, "client_secret", aSecret, "client_assertion", "an-assertion", "client_assertion_type", "x", "extra", "unread")
	uri, _, err := k.reader.Push(t.Context(), k.env, k.client, f, "")
	if err != nil || len(kept.put) != 1 {
		t.Fatalf("%d tickets, %v", len(kept.put), err)
	}
	ticket, err := json.Marshal(kept.put[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{aSecret, "client_secret", "an-assertion", "unread", request, strings.TrimPrefix(uri, "urn:ietf:params:oauth:request_uri:")} {
		if strings.Contains(string(ticket)+string(kept.put[0].Data), secret) {
			t.Errorf("the ticket has %.20q in it", secret)
		}
	}
	if ticket := kept.put[0]; ticket.Kind != store.TicketPAR || ticket.Client != "app" || ticket.Environment != envID || ticket.KeptUntil.Before(ticket.ExpiresAt) {
		t.Errorf("ticket = %+v", ticket)
	}
}

// Of 50 browsers with one reference one gets an answer.
func TestPushedRequestRace(t *testing.T) {
	k := newKit(t)
	uri, _, err := k.reader.Push(t.Context(), k.env, k.client, form(), "")
	if err != nil {
		t.Fatal(err)
	}
	var won [50]bool
	parallel(len(won), func(i int) {
		_, _, err := k.reader.Read(t.Context(), k.env, web.NewForm([2]string{"client_id", "app"}, [2]string{"request_uri", uri}))
		won[i] = err == nil
		if err != nil && oauth.From(err).Code != oauth.CodeInvalidRequestURI {
			t.Errorf("error = %v, want invalid_request_uri", err)
		}
	})
	n := 0
	for _, ok := range won {
		if ok {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d of %d succeeded, want 1", n, len(won))
	}
}

func (k *keeper) PutTicket(ctx context.Context, t store.Ticket) error {
	k.put = append(k.put, t)
	return k.Tickets.PutTicket(ctx, t)
}

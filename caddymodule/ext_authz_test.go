package caddymodule_test

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	auth "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// trustEnvoy is trustLoopback for servers that speak HTTP/2 without TLS.
const trustEnvoy = "servers {\nprotocols h1 h2 h2c\ntrusted_proxies static 127.0.0.0/8\n}\n"

// envoy is Envoy's client of a gate, by Envoy's own messages.
func envoy(t testing.TB, global, directives string) auth.AuthorizationClient {
	t.Helper()
	base := authorizer(t, global, directives)
	conn, err := grpc.NewClient(strings.TrimPrefix(base, "http://"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return auth.NewAuthorizationClient(conn)
}

// question is a CheckRequest as Envoy makes it. headers are name, value pairs, in Envoy's spelling.
func question(token string, headers ...string) *auth.CheckRequest {
	h := map[string]string{":authority": "orders.example.com", ":method": "GET", ":path": "/orders?x=1", ":scheme": "https", "x-request-id": "1"}
	if token != "" {
		h["authorization"] = "Bearer " + token
	}
	for i := 0; i < len(headers); i += 2 {
		h[headers[i]] = headers[i+1]
	}
	return &auth.CheckRequest{Attributes: &auth.AttributeContext{
		Source: &auth.AttributeContext_Peer{Principal: "somebody"},
		Request: &auth.AttributeContext_Request{Http: &auth.AttributeContext_HttpRequest{
			Id: "1", Method: "GET", Path: "/orders?x=1", Host: "orders.example.com", Scheme: "https", Protocol: "HTTP/1.1", Size: -1, Headers: h,
		}},
	}}
}

// verdict is a CheckResponse in few words.
type verdict struct {
	Code      codes.Code
	Status    int
	Set       map[string]string
	Remove    []string
	Challenge string
	Nonce     string
}

// ask has a question answered.
func ask(t testing.TB, client auth.AuthorizationClient, q *auth.CheckRequest) (v verdict) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	a, err := client.Check(ctx, q)
	if err != nil {
		t.Fatal(err)
	}
	v.Code = codes.Code(a.Status.GetCode())
	if ok := a.GetOkResponse(); ok != nil {
		v.Set = pairs(t, ok.Headers)
		v.Remove = slices.Sorted(slices.Values(ok.HeadersToRemove))
	}
	if d := a.GetDeniedResponse(); d != nil {
		v.Status = int(d.Status.GetCode())
		h := pairs(t, d.Headers)
		v.Challenge, v.Nonce = h["www-authenticate"], h["dpop-nonce"]
		if !strings.HasPrefix(d.Body, `{"error":`) || h["content-type"] != "application/json" || h["cache-control"] != "no-store" {
			t.Errorf("denied with body %q and headers %v", d.Body, h)
		}
	}
	return v
}

func pairs(t testing.TB, options []*core.HeaderValueOption) map[string]string {
	t.Helper()
	h := map[string]string{}
	for _, o := range options {
		if o.AppendAction != core.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD {
			t.Errorf("%v is appended, want it in the place of the client's", o)
		}
		h[o.Header.Key] = o.Header.Value
	}
	return h
}

// TestExtAuthz: Envoy gets the gate's verdict, and what it is to do to the request.
func TestExtAuthz(t *testing.T) {
	client := envoy(t, trustEnvoy, "bearer_auth {"+trusted+`
		scope read
		forward_claim sub X-User
		forward_claim email X-Email
		strip_header X-Internal
		authorizer envoy
	}`)
	good := mint(t, map[string]any{"scope": "read"})
	raw := question("")
	raw.Attributes.Request.Http.Headers = nil
	raw.Attributes.Request.Http.HeaderMap = &core.HeaderMap{Headers: []*core.HeaderValue{
		{Key: ":path", RawValue: []byte("/orders")}, {Key: "authorization", RawValue: []byte("Bearer " + good)}, {Key: "x-user", RawValue: []byte("mallory")},
	}}
	twice := proto.Clone(raw).(*auth.CheckRequest)
	twice.Attributes.Request.Http.HeaderMap.Headers = append(twice.Attributes.Request.Http.HeaderMap.Headers, &core.HeaderValue{Key: "authorization", RawValue: []byte("Bearer x")})
	preflight := question("stolen", "origin", "https://app.example.com", "access-control-request-method", "PUT")
	preflight.Attributes.Request.Http.Method = "OPTIONS"
	// like is the preflight with more, from somebody without a token.
	like := func(change func(h *auth.AttributeContext_HttpRequest)) *auth.CheckRequest {
		q := proto.Clone(preflight).(*auth.CheckRequest)
		delete(q.Attributes.Request.Http.Headers, "authorization")
		change(q.Attributes.Request.Http)
		return q
	}
	with := func(name, value string) *auth.CheckRequest {
		return like(func(h *auth.AttributeContext_HttpRequest) { h.Headers[name] = value })
	}
	challenged := verdict{Code: codes.Unauthenticated, Status: 401, Challenge: "Bearer"}
	alice, nobody := map[string]string{"x-user": "alice"}, map[string]string{}
	tests := []struct {
		name string
		q    *auth.CheckRequest
		want verdict // of Challenge, a part
	}{
		{"good token", question(good), verdict{Set: alice, Remove: []string{"x-email", "x-internal"}}},
		{"identity headers", question(good, "x-user", "mallory", "x_user", "mallory", "x.email", "m", "x-internal", "1"),
			verdict{Set: alice, Remove: []string{"x-email", "x-internal", "x.email", "x_user"}}},
		{"raw headers", raw, verdict{Set: alice, Remove: []string{"x-email", "x-internal"}}},
		{"no token", question(""), verdict{Code: codes.Unauthenticated, Status: 401, Challenge: "Bearer"}},
		{"bad token", question("garbage"), verdict{Code: codes.Unauthenticated, Status: 401, Challenge: `error="invalid_token"`}},
		{"missing scope", question(mint(t, nil)), verdict{Code: codes.PermissionDenied, Status: 403, Challenge: `scope="read"`}},
		{"two tokens", twice, verdict{Code: codes.PermissionDenied, Status: 400, Challenge: `error="invalid_request"`}},
		{"two tokens, joined", question("x, Bearer " + good), verdict{Code: codes.PermissionDenied, Status: 400, Challenge: `error="invalid_request"`}},
		{"preflight", preflight, verdict{Set: nobody, Remove: []string{"authorization", "x-email", "x-internal", "x-user"}}},
		{"preflight that says it has no body", with("content-length", "0"), verdict{Set: nobody, Remove: []string{"x-email", "x-internal", "x-user"}}},
		{"preflight with a body, by its length", with("content-length", "2"), challenged},
		{"preflight with a body, in pieces", with("transfer-encoding", "chunked"), challenged},
		{"preflight with a body, shown", like(func(h *auth.AttributeContext_HttpRequest) { h.Body = "hi" }), challenged},
		{"preflight with a body, shown as bytes", like(func(h *auth.AttributeContext_HttpRequest) { h.RawBody = []byte("hi") }), challenged},
		{"preflight that asks for another protocol", with("upgrade", "websocket"), challenged},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ask(t, client, tt.q)
			if strings.Contains(got.Challenge, tt.want.Challenge) {
				got.Challenge = tt.want.Challenge
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("verdict (-want +got):\n%s", diff)
			}
		})
	}
}

// TestExtAuthzStripToken: what the upstream must not have, Envoy takes away.
func TestExtAuthzStripToken(t *testing.T) {
	client := envoy(t, trustEnvoy, "bearer_auth {"+trusted+"\nstrip_token\nauthorizer envoy\n}")
	want := verdict{Set: map[string]string{}, Remove: []string{"authorization"}}
	if diff := cmp.Diff(want, ask(t, client, question(mint(t, nil)))); diff != "" {
		t.Errorf("verdict (-want +got):\n%s", diff)
	}
}

// TestAttack58ExtAuthz: questions of strangers, and those that could mean more than one request, are denied; never is there an error, which
// a filter that fails open would take for a pass.
func TestAttack58ExtAuthz(t *testing.T) {
	directives := "bearer_auth {" + trusted + "\nauthorizer envoy\n}"
	token := mint(t, nil)
	t.Run("a stranger", func(t *testing.T) {
		client := envoy(t, "servers {\nprotocols h1 h2 h2c\n}\n", directives)
		if got := ask(t, client, question(token)); got.Status != 403 || got.Code != codes.PermissionDenied {
			t.Errorf("verdict = %+v, want 403", got)
		}
	})
	client := envoy(t, trustEnvoy, directives)
	for name, change := range map[string]func(*auth.CheckRequest, *auth.AttributeContext_HttpRequest){
		"good":                  nil,
		"empty":                 func(q *auth.CheckRequest, _ *auth.AttributeContext_HttpRequest) { proto.Reset(q) },
		"no request":            func(q *auth.CheckRequest, _ *auth.AttributeContext_HttpRequest) { q.Attributes.Request = nil },
		"no method":             func(_ *auth.CheckRequest, h *auth.AttributeContext_HttpRequest) { h.Method = "" },
		"no path":               func(_ *auth.CheckRequest, h *auth.AttributeContext_HttpRequest) { h.Path = "" },
		"no host":               func(_ *auth.CheckRequest, h *auth.AttributeContext_HttpRequest) { h.Host = "" },
		"no scheme":             func(_ *auth.CheckRequest, h *auth.AttributeContext_HttpRequest) { h.Scheme = "" },
		"absolute form":         func(_ *auth.CheckRequest, h *auth.AttributeContext_HttpRequest) { h.Path = "https://a/" },
		"fragment":              func(_ *auth.CheckRequest, h *auth.AttributeContext_HttpRequest) { h.Path = "/admin#/public" },
		"odd host":              func(_ *auth.CheckRequest, h *auth.AttributeContext_HttpRequest) { h.Host = "a, b" },
		"odd header":            func(_ *auth.CheckRequest, h *auth.AttributeContext_HttpRequest) { h.Headers["a b"] = "c" },
		"odd value":             func(_ *auth.CheckRequest, h *auth.AttributeContext_HttpRequest) { h.Headers["a"] = "b\r\nc: d" },
		"body":                  func(_ *auth.CheckRequest, h *auth.AttributeContext_HttpRequest) { h.RawBody = make([]byte, 1<<19) },
		"body that is too long": func(_ *auth.CheckRequest, h *auth.AttributeContext_HttpRequest) { h.RawBody = make([]byte, 1<<20) },
		"header in cases": func(_ *auth.CheckRequest, h *auth.AttributeContext_HttpRequest) {
			h.Headers["Authorization"] = "Bearer x"
		},
	} {
		t.Run(name, func(t *testing.T) {
			q, want := question(token), 400
			switch name {
			case "good", "body":
				want = 0
			case "body that is too long":
				want = 413
			}
			if change != nil {
				change(q, q.Attributes.Request.Http)
			}
			if got := ask(t, client, q); got.Status != want {
				t.Errorf("verdict = %+v, want status %d", got, want)
			}
		})
	}
}

// TestAttack86ExtAuthzCertificate: the certificate that Envoy's client presented counts where certificates do, and nowhere else.
func TestAttack86ExtAuthzCertificate(t *testing.T) {
	written := func(c *clientCertificate) string {
		return url.PathEscape(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.leaf.Raw})))
	}
	c := newCertificate(t, "client.example.com")
	own, other, bound := written(c), written(newCertificate(t, "client.example.com")), c.token(t)
	with := func(pem string) *auth.CheckRequest {
		q := question(bound)
		q.Attributes.Source.Certificate = pem
		return q
	}
	client := envoy(t, trustEnvoy, "bearer_auth {"+trusted+"\nclient_certificate\nauthorizer envoy\n}")
	http := with(own)
	http.Attributes.Request.Http.Scheme = "http"
	for name, tt := range map[string]struct {
		q      *auth.CheckRequest
		status int
	}{
		"its own":              {with(own), 0},
		"another":              {with(other), 401},
		"none":                 {with(""), 401},
		"garbage":              {with("-----BEGIN%20CERTIFICATE-----%0Ax"), 400},
		"its own, without TLS": {http, 401},
	} {
		if got := ask(t, client, tt.q); got.Status != tt.status {
			t.Errorf("%s: verdict = %+v, want status %d", name, got, tt.status)
		}
	}
	checkRefused(t, validate("{\n"+globals+"\n}\n:8999 {\nbearer_auth {"+trusted+"\nclient_certificate {\nheader X-Client-Cert\n}\nauthorizer envoy\n}\n}"), "client_certificate: header")
	client = envoy(t, trustEnvoy, "bearer_auth {"+trusted+"\nauthorizer envoy\n}")
	if got := ask(t, client, with(own)); got.Status != 401 {
		t.Errorf("without client_certificate: verdict = %+v, want 401", got)
	}
}

// TestExtAuthzDPoP: proofs are judged for the request that is asked about, at the gate's own address; nonces go both ways.
func TestExtAuthzDPoP(t *testing.T) {
	client := envoy(t, trustEnvoy, "bearer_auth {"+trusted+"\nurl https://orders.example.com\ndpop {\nnonce\n}\nauthorizer envoy\n}")
	p := newProver(t)
	token := p.token(t)
	const address = "https://orders.example.com/orders"
	with := func(proof string) *auth.CheckRequest {
		return question("", "authorization", "DPoP "+token, "dpop", proof)
	}
	got := ask(t, client, with(p.proof(t, "GET", address, token)))
	nonce := got.Nonce
	if got.Status != 401 || !strings.Contains(got.Challenge, `error="use_dpop_nonce"`) || nonce == "" {
		t.Fatalf("verdict = %+v, want a challenge with a nonce", got)
	}
	proof := p.proof(t, "GET", address, token, "nonce", nonce)
	for _, tt := range []struct {
		name   string
		q      *auth.CheckRequest
		status int
	}{
		{"good", with(proof), 0},
		{"once more", with(proof), 401},
		{"for another method", with(p.proof(t, "POST", address, token, "nonce", nonce)), 401},
		{"for another path", with(p.proof(t, "GET", address+"/1", token, "nonce", nonce)), 401},
		{"two proofs, joined", with(proof + "," + proof), 401},
		{"no proof", question("", "authorization", "DPoP "+token), 401},
		{"as a bearer token", question(token), 401},
	} {
		if got := ask(t, client, tt.q); got.Status != tt.status {
			t.Errorf("%s: verdict = %+v, want status %d", tt.name, got, tt.status)
		}
	}
}

// TestExtAuthzCalls: what is no call of Check.
func TestExtAuthzCalls(t *testing.T) {
	const method = "/envoy.service.auth.v3.Authorization/Check"
	base := authorizer(t, trustEnvoy, "bearer_auth {"+trusted+"\nauthorizer envoy\n}")
	conn, err := grpc.NewClient(strings.TrimPrefix(base, "http://"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	err = conn.Invoke(t.Context(), "/envoy.service.auth.v2.Authorization/Check", question(""), new(auth.CheckResponse))
	if got := status.Code(err); got != codes.Unimplemented {
		t.Errorf("another method: %v, want %v", got, codes.Unimplemented)
	}
	h2 := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{Protocols: new(http.Protocols)}}
	h2.Transport.(*http.Transport).Protocols.SetUnencryptedHTTP2(true)
	for _, tt := range []struct {
		name, method, kind, body string
		status                   int
		code                     string
	}{
		{"GET", "GET", "application/grpc", "", 405, ""},
		{"another kind", "POST", "application/json", "{}", 415, ""},
		{"another encoding", "POST", "application/grpc+json", "\x00\x00\x00\x00\x02{}", 415, ""},
		{"nothing", "POST", "application/grpc", "", 200, "3"},
		{"an empty message", "POST", "application/grpc+proto", "\x00\x00\x00\x00\x00", 200, "0"},
		{"bytes that are none", "POST", "application/grpc", "\x00\x00\x00\x00\x02\xff\xff", 200, "0"},
		{"cut off", "POST", "application/grpc", "\x00\x00\x00\x00\x03ab", 200, "3"},
		{"two messages", "POST", "application/grpc", "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 200, "3"},
		{"compressed", "POST", "application/grpc", "\x01\x00\x00\x00\x00", 200, "12"},
		{"too long", "POST", "application/grpc", "\x00\xff\xff\xff\xff", 200, "0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req, err := http.NewRequest(tt.method, base+method, strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", tt.kind)
			res, err := h2.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if _, err := io.ReadAll(res.Body); err != nil {
				t.Fatal(err)
			}
			code := res.Header.Get("Grpc-Status") + res.Trailer.Get("Grpc-Status")
			if res.StatusCode != tt.status || code != tt.code {
				t.Errorf("status = %d, Grpc-Status = %q; want %d, %q", res.StatusCode, code, tt.status, tt.code)
			}
		})
	}
	if got := send(t, http.MethodPost, base+method, "", "Content-Type", "application/grpc"); got.Status != 505 {
		t.Errorf("HTTP/1.1: status = %d, want 505", got.Status)
	}
}

// BenchmarkExtAuthz is one question over a connection that is kept, the token's result cached.
func BenchmarkExtAuthz(b *testing.B) {
	client := envoy(b, trustEnvoy, "bearer_auth {"+trusted+"\nscope read\nforward_claim sub X-User\nauthorizer envoy\n}")
	q := question(mint(b, map[string]any{"scope": "read"}))
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			a, err := client.Check(context.Background(), q)
			if err != nil || a.GetOkResponse() == nil {
				b.Error(fmt.Sprint(a, err))
				return
			}
		}
	})
}

package caddymodule_test

import (
	"testing"

	auth "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/caddy-gatehouse/gatehouse/caddymodule"
)

// FuzzCheckRequest: no bytes break the decoder, and whatever Envoy's own types can decode, it reads as they do.
func FuzzCheckRequest(f *testing.F) {
	q := question("token", "x-user", "mallory")
	q.Attributes.Source.Certificate = "-----BEGIN%20CERTIFICATE-----"
	seed, err := proto.Marshal(q)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add(append(seed, seed...))
	q.Attributes.Request.Http.Body, q.Attributes.Request.Http.RawBody = "body", []byte("body")
	if seed, err = proto.Marshal(q); err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add([]byte("\x0a\x02\x22\x00"))
	f.Add([]byte("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := caddymodule.ParseCheckRequest(b)
		theirs := new(auth.CheckRequest)
		if proto.Unmarshal(b, theirs) != nil {
			return
		}
		if err != nil {
			t.Fatalf("%x: %v, and Envoy's types can decode it", b, err)
		}
		h := theirs.GetAttributes().GetRequest().GetHttp()
		want := caddymodule.CheckRequest{
			Method: h.GetMethod(), Path: h.GetPath(), Host: h.GetHost(), Scheme: h.GetScheme(),
			Certificate: theirs.GetAttributes().GetSource().GetCertificate(), Headers: got.Headers, Body: got.Body,
		}
		if len(h.GetBody())+len(h.GetRawBody()) > 0 && !got.Body {
			t.Errorf("%x: no body, and Envoy's types have one", b)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%x (-want +got):\n%s", b, diff)
		}
		// Their map has one value of a name, the last: ours has every one, so that two are seen.
		last := map[string]string{}
		for _, pair := range got.Headers {
			last[pair[0]] = pair[1]
		}
		for name, value := range h.GetHeaders() {
			if h.HeaderMap == nil && last[name] != value {
				t.Errorf("%x: header %q is %q, want %q", b, name, last[name], value)
			}
		}
	})
}

package authorize_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

const (
	ordersAudience = "https://orders.example.com"
	stockAudience  = "https://stock.example.com"
	pingOne        = "https://api.pingone.com"
)

// TestResourceIndicators: what a request gets that names resources (RFC 8707 §2.1), wherever it does.
func TestResourceIndicators(t *testing.T) {
	const badTarget = "BACK invalid_target query"
	tests := []struct {
		name      string
		several   bool // the application may ask for several
		scope     string
		resources []string
		want      string // outcome, or the scopes and audiences of a good request
	}{
		{"none", false, "openid orders:read", nil, "openid orders:read @ " + ordersAudience},
		{"one", false, "openid orders:read", []string{ordersAudience}, "openid orders:read @ " + ordersAudience},
		{"one of the two whose scopes are asked for", false, "openid orders:read stock:read", []string{stockAudience}, "openid stock:read @ " + stockAudience},
		{"none of two", false, "orders:read stock:read", nil, "BACK invalid_scope query"},
		{"without scope, all of it", false, "", []string{ordersAudience}, "orders:read @ " + ordersAudience},
		{"without scope, and without any", false, "", nil, "BACK invalid_scope query"},
		{"two", true, "openid orders:read stock:read", []string{stockAudience, ordersAudience}, "openid orders:read stock:read @ " + ordersAudience + " " + stockAudience},
		{"two, of which one is enough", true, "openid orders:read", []string{stockAudience, ordersAudience}, "openid orders:read @ " + ordersAudience},
		{"two that the application may not have together", false, "orders:read stock:read", []string{stockAudience, ordersAudience}, "BACK invalid_scope query"},
		{"one twice", false, "orders:read", []string{ordersAudience, ordersAudience}, "orders:read @ " + ordersAudience},
		{"that of OpenID Connect", false, "openid orders:read", []string{pingOne}, "openid @ " + pingOne},
		{"that of OpenID Connect and another", true, "openid orders:read", []string{pingOne, ordersAudience}, "BACK invalid_scope query"},
		{"no scope of it", false, "openid", []string{ordersAudience}, "BACK invalid_scope query"},
		{"an unknown one", false, "openid orders:read", []string{"https://unknown.example.com"}, badTarget},
		{"a known and an unknown one", true, "orders:read", []string{ordersAudience, "https://unknown.example.com"}, badTarget},
		{"the issuer", false, "openid", []string{issuer}, badTarget},
		{"with a slash more", false, "orders:read", []string{ordersAudience + "/"}, badTarget},
		{"in another case", false, "orders:read", []string{"https://Orders.example.com"}, badTarget},
		{"its ID", false, "orders:read", []string{"orders"}, badTarget},
		{"a fragment", false, "orders:read", []string{ordersAudience + "#x"}, badTarget},
		{"a path", false, "orders:read", []string{"/orders"}, badTarget},
	}
	for _, tt := range tests {
		for _, how := range []string{"query", "pushed", "request object"} {
			t.Run(tt.name+"/"+how, func(t *testing.T) {
				k := newKit(t)
				k.client.MultipleResources = tt.several
				f := form("scope", tt.scope)
				var inside any = tt.resources
				if len(tt.resources) == 1 {
					inside = tt.resources[0]
				}
				switch {
				case how == "request object" && len(tt.resources) > 0:
					f = form("request", k.signed(jose.HS256, object(map[string]any{"scope": tt.scope, "resource": inside})))
				default:
					for _, r := range tt.resources {
						f.Add("resource", r)
					}
				}
				if how == "pushed" {
					uri, _, err := k.reader.Push(t.Context(), k.env, k.client, f, "")
					if err != nil {
						if want := "BACK " + oauth.From(err).Code + " query"; want != tt.want || oauth.From(err).Status != 400 {
							t.Errorf("push: %v, want %s", err, tt.want)
						}
						return
					}
					f = web.NewForm([2]string{"client_id", "app"}, [2]string{"request_uri", uri})
				}
				req, failure := k.readForm(f)
				got := outcome(failure)
				if failure == nil {
					got = strings.Join(req.Scope, " ") + " @ " + strings.Join(req.Audience, " ")
				}
				if got != tt.want {
					t.Fatalf("got %s, want %s (%v)", got, tt.want, failure)
				}
				if failure == nil && len(tt.resources) > 0 && len(req.Named) == 0 {
					t.Error("what was named is not kept")
				}
			})
		}
	}
	t.Run("of the wrong type in an object", func(t *testing.T) {
		for _, bad := range []any{1, true, map[string]any{"a": "b"}, []any{ordersAudience, 1}, []any{""}, []any{[]any{ordersAudience}}} {
			k := newKit(t)
			if _, failure := k.read("request", k.signed(jose.HS256, object(map[string]any{"scope": "orders:read", "resource": bad}))); outcome(failure) != badObject {
				t.Errorf("resource %v: %s, want %s", bad, outcome(failure), badObject)
			}
		}
	})
	t.Run("what is in the object counts alone", func(t *testing.T) {
		k := newKit(t)
		f := form("request", k.signed(jose.HS256, object(map[string]any{"scope": "orders:read", "resource": ordersAudience})))
		f.Add("resource", stockAudience)
		req, failure := k.readForm(f)
		if failure != nil {
			t.Fatal(failure)
		}
		if diff := cmp.Diff([]string{ordersAudience}, req.Named); diff != "" {
			t.Errorf("named (-want +got):\n%s", diff)
		}
		if req.TTL != 10*time.Minute {
			t.Errorf("life = %v, want that of the resource", req.TTL)
		}
	})
}

package integration_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// Gates in front of streams: the issuer in this process, asked over HTTP, and a foreign one's keys.
const streamSites = `
(streams) {
	@grpc path /grpc
	reverse_proxy @grpc h2c://$API
	reverse_proxy $API {
		flush_interval -1
	}
}

(local) {
	bearer_auth {
		issuer $ISSUER
		audience ` + orders + `
		scope orders:read
	}
}

(asked) {
	bearer_auth {
		issuer $ISSUER {
			verify introspect
			introspection {
				basic orders {env.ORDERS_SECRET}
				ttl 1s
			}
			insecure_loopback_http
		}
		audience ` + orders + `
		scope orders:read
	}
}

(foreign) {
	bearer_auth {
		issuer $FOREIGN_ISSUER {
			insecure_loopback_http
			clock_skew 0s
		}
		audience ` + orders + `
	}
}
`

// streamEnd is how long a stream may outlive its token. Within a process it takes a millisecond, and between
// nodes as long as a notification; a busy machine needs more.
const streamEnd = time.Second

// askedEnd is streamEnd where the issuer is asked again every second.
const askedEnd = 2*time.Second + streamEnd

// streamConfig has a gate of each kind, without TLS and with it.
func streamConfig(t testing.TB, foreign *issuer) config {
	return streamConfigFor(t, newStreams(t), foreign)
}

func streamConfigFor(t testing.TB, api *streamAPI, foreign *issuer) config {
	c := config{
		global: "insecure_unlimited 127.0.0.0/8", sites: streamSites,
		vars: map[string]string{"API": api.address, "FOREIGN_ISSUER": foreign.url()},
	}
	certificate, key, _ := selfSigned(t, "localhost")
	c.vars["CERTIFICATE"], c.vars["PRIVATE"] = writeFile(t, "cert.pem", certificate), writeFile(t, "key.pem", key)
	for _, gate := range []string{"local", "asked", "foreign"} {
		upper := strings.ToUpper(gate)
		c.ports = append(c.ports, gate+"_plain", gate+"_over")
		c.sites += fmt.Sprintf("\nhttp://:$%[1]s_PLAIN {\n\tlog\n\timport %[2]s\n\timport streams\n}\n\nhttps://localhost:$%[1]s_OVER {\n\ttls $CERTIFICATE $PRIVATE\n\tlog\n\timport %[2]s\n\timport streams\n}\n", upper, gate)
	}
	return c
}

// streamGates are a node's.
func streamGates(t testing.TB, n *node) map[string]streamGate {
	t.Helper()
	h2 := h2Client(t, rootsOf(t, n.vars["CERTIFICATE"]))
	gates := map[string]streamGate{}
	for _, gate := range []string{"local", "asked", "foreign"} {
		gates[gate] = streamGate{n: n, plain: gate + "_plain", over: gate + "_over", h2: h2}
	}
	return gates
}

// openAll opens a stream of each kind.
func openAll(t testing.TB, g streamGate, token string) (all []*stream) {
	t.Helper()
	for _, k := range streamKinds {
		all = append(all, openStream(t, g, k.name, token))
	}
	return all
}

// allEnd waits for the end of all, and has new ones refused.
func allEnd(t *testing.T, what string, since time.Time, within time.Duration, token string, g streamGate, all []*stream) {
	t.Helper()
	var lags []string
	for _, s := range all {
		lags = append(lags, fmt.Sprintf("%s %v", s.kind, s.ends(t, since, within).Round(10*time.Microsecond)))
	}
	t.Logf("%s: %s", what, strings.Join(lags, ", "))
	for _, k := range streamKinds {
		var r refused
		if _, err := k.open(t.Context(), g, token); !errors.As(err, &r) || r.status != http.StatusUnauthorized {
			t.Errorf("%s, %s anew: %v, want 401", what, k.name, err)
		}
	}
}

// streamEnds is how many streams the metrics have counted, none of them later than a second after its token.
func (n *node) streamEnds(t testing.TB) float64 {
	t.Helper()
	const name = "gatehouse_stream_end_lag_seconds"
	scraped := n.metrics(t)
	count := sum(scraped, name)
	if got := sum(scraped, "gatehouse_streams_ended_total"); got != count {
		t.Errorf("%v streams have ended, and %v have a lag", got, count)
	}
	for _, m := range scraped[name].GetMetric() {
		for _, b := range m.GetHistogram().GetBucket() {
			if b.GetUpperBound() == 1 && float64(b.GetCumulativeCount()) != count {
				t.Errorf("%d of %v streams ended within a second", b.GetCumulativeCount(), count)
			}
		}
	}
	return count
}

// endedFor is how many streams have ended for a reason.
func (n *node) endedFor(t testing.TB, reason string) float64 {
	t.Helper()
	return sum(n.metrics(t), "gatehouse_streams_ended_total", "reason", reason)
}

// TestAttack90Streams: what is under way ends with its token, however long it would have gone on.
func TestAttack90Streams(t *testing.T) {
	f, api := newIssuer(t), newStreams(t)
	n := start(t, streamConfigFor(t, api, f))
	gates := streamGates(t, n)
	kept := n.token(t, worker)
	bystanders := append(openAll(t, gates["local"], kept), openAll(t, gates["asked"], kept)...)

	t.Run("revoked", func(t *testing.T) {
		token := n.token(t, worker)
		counted := n.streamEnds(t)
		local, asked := openAll(t, gates["local"], token), openAll(t, gates["asked"], token)
		n.revoke(t, worker, token)
		revoked := time.Now()
		allEnd(t, "in process", revoked, streamEnd, token, gates["local"], local)
		allEnd(t, "introspected with a ttl of 1 s", revoked, askedEnd, token, gates["asked"], asked)
		if got, want := n.streamEnds(t)-counted, float64(len(local)+len(asked)); got != want {
			t.Errorf("the metric counts %v ends, want %v", got, want)
		}
		if got := n.endedFor(t, "revoked"); got < float64(len(local)) {
			t.Errorf("the metric counts %v revoked ones, want at least %d", got, len(local))
		}
	})
	t.Run("expired", func(t *testing.T) {
		end := time.Now().Truncate(time.Second).Add(4 * time.Second)
		token := f.token(t, func(c map[string]any) { c["exp"] = end.Unix() })
		n.secret("a foreign token", token)
		counted := n.streamEnds(t)
		longer := f.token(t, nil)
		n.secret("a foreign token", longer)
		others := openAll(t, gates["foreign"], longer)
		all := openAll(t, gates["foreign"], token)
		if time.Now().After(end) {
			t.Fatal("the machine is too slow for a token of four seconds")
		}
		allEnd(t, "expiry", end, streamEnd, token, gates["foreign"], all)
		if got, want := n.streamEnds(t)-counted, float64(len(all)); got != want {
			t.Errorf("the metric counts %v ends, want %v", got, want)
		}
		if got, want := n.endedFor(t, "expired"), float64(len(all)); got != want {
			t.Errorf("the metric counts %v expired ones, want %v", got, want)
		}
		for _, s := range others {
			s.goesOn(t)
		}
	})
	t.Run("silent on both sides", func(t *testing.T) {
		token := n.token(t, worker)
		ctx, cancel := context.WithCancel(t.Context())
		in, err := gates["local"].get(ctx, "/quiet", token)
		if err != nil {
			cancel()
			t.Fatal(err)
		}
		s := follow(t, "quiet events", in, cancel)
		n.revoke(t, worker, token)
		t.Logf("lag %v", s.ends(t, time.Now(), streamEnd))
	})
	t.Run("to a client that does not read", func(t *testing.T) {
		token := n.token(t, worker)
		before := api.open.Load()
		request := "GET /download HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + token + "\r\n\r\n"
		secured := rootsOf(t, n.vars["CERTIFICATE"])
		secured.ServerName, secured.NextProtos = "localhost", []string{"http/1.1"}
		plain, err := net.Dial("tcp", n.addr("local_plain"))
		if err != nil {
			t.Fatal(err)
		}
		defer plain.Close()
		over, err := tls.Dial("tcp", n.addr("local_over"), secured)
		if err != nil {
			t.Fatal(err)
		}
		defer over.Close()
		for _, c := range []net.Conn{plain, over} {
			if _, err := io.WriteString(c, request); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, 5*time.Second, "both downloads begin", func() bool { return api.open.Load() == before+2 })
		time.Sleep(1500 * time.Millisecond) // until nothing more fits into the buffers on the way
		n.revoke(t, worker, token)
		eventually(t, streamEnd, "the upstream is let go", func() bool { return api.open.Load() == before })
	})
	for _, s := range bystanders {
		s.goesOn(t)
	}
}

// TestAttack90TwoNodes: the same where the revocation, the sign-off, or what becomes of the user, happens at another node.
func TestAttack90TwoNodes(t *testing.T) {
	x := &changes{desk: newParty(t, "desk", deskSecret, "127.0.0.1")}
	t.Setenv("DESK_SECRET", deskSecret)
	c := streamConfig(t, newIssuer(t))
	c.env, c.vars["DESK"], c.vars["SHOP"] = changeEnv, x.desk.base, x.desk.base
	x.a, x.b = twins(t, c)
	x.a.secret("the secret of desk", deskSecret)
	x.api = openConsole(t, x.a)
	atA, atB := streamGates(t, x.a)["local"], streamGates(t, x.b)["local"]
	kept := x.a.token(t, worker)
	bystanders := append(openAll(t, atA, kept), openAll(t, atB, kept)...)

	for _, row := range []struct {
		name string
		make func(t *testing.T) (token string, end func(*testing.T))
	}{
		{"token revoked", func(t *testing.T) (string, func(*testing.T)) {
			token := x.a.token(t, worker)
			return token, func(t *testing.T) { x.a.revoke(t, worker, token) }
		}},
		{"signed off", func(t *testing.T) (string, func(*testing.T)) {
			u := x.person(t, "dana", x.desk)
			return u.got.access, func(t *testing.T) {
				at := newAgent(t, x.a)
				at.client.Jar = u.browser.client.Jar
				at.visit(x.a.vars["ISSUER"] + "/signoff?id_token_hint=" + u.got.id)
				if at.has("logout-confirm") {
					at.press("logout-confirm")
				}
			}
		}},
		{"refresh token revoked", func(t *testing.T) (string, func(*testing.T)) {
			u := x.person(t, "doug", x.desk)
			return u.got.access, func(t *testing.T) { x.a.revoke(t, basic("desk", deskSecret), u.got.refresh) }
		}},
		{"user disabled", func(t *testing.T) (string, func(*testing.T)) {
			u := x.person(t, "dean", x.desk)
			return u.got.access, x.put("/users/"+u.id+"/enabled", object{"enabled": false})
		}},
		{"user deleted", func(t *testing.T) (string, func(*testing.T)) {
			u := x.person(t, "drew", x.desk)
			return u.got.access, x.remove("/users/" + u.id)
		}},
		{"application disabled", func(t *testing.T) (string, func(*testing.T)) {
			m := x.consumer(t)
			body := x.api.get(t, "/applications/"+m.application)
			return m.token, x.put("/applications/"+m.application, x.api.with(body, "enabled", false))
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			token, end := row.make(t)
			counted := []float64{x.a.streamEnds(t), x.b.streamEnds(t)}
			here, there := openAll(t, atA, token), openAll(t, atB, token)
			end(t)
			ended := time.Now()
			allEnd(t, "at this node", ended, streamEnd, token, atA, here)
			allEnd(t, "at the other node", ended, streamEnd, token, atB, there)
			got := []float64{x.a.streamEnds(t) - counted[0], x.b.streamEnds(t) - counted[1]}
			if want := []float64{float64(len(here)), float64(len(there))}; !slices.Equal(got, want) {
				t.Errorf("the nodes' metrics count %v ends, want %v", got, want)
			}
		})
	}
	for _, s := range bystanders {
		s.goesOn(t)
	}
}

// consumer is an application that may read orders, with a token.
func (x *changes) consumer(t *testing.T) *made {
	t.Helper()
	m := &made{application: x.api.create(t, "/applications", aService("consumer"))}
	for _, r := range x.api.list(t, "/resources", "resources") {
		if r["name"] == "orders" {
			m.resource = r["id"].(string)
		}
	}
	m.scope = x.api.scope(t, m.resource, "orders:read")
	m.grant = x.api.grant(t, m.application, m.resource, m.scope)
	m.secret = x.api.secretOf(t, "/applications/"+m.application)
	m.token = x.b.workerToken(t, mainEnv, m.application, m.secret, "orders:read")
	return m
}

// TestAttack90StreamsOverReload: Caddy lets exchanges go on when a configuration is replaced. They end
// with their tokens all the same, even when nothing else is left of the configuration, and where the new one has another verifier. WebSockets
// Caddy ends itself, and counts what it sends there without a lock, so that none is open here.
func TestAttack90StreamsOverReload(t *testing.T) {
	n := prepare(t, streamConfig(t, newIssuer(t)))
	const grace = time.Second
	rewrite(t, n, strings.NewReplacer("grace_period 5s", "grace_period "+grace.String()).Replace)
	n.run(t)
	gate := streamGates(t, n)["local"]
	for _, tt := range []struct {
		name   string
		change func(string) string
	}{
		{"the same verifier", nil},
		{"another verifier", strings.NewReplacer("\taudience "+orders+"\n\t\tscope", "\taudience "+orders+"\n\t\tmax_token_size 8KiB\n\t\tscope").Replace},
	} {
		t.Run(tt.name, func(t *testing.T) {
			token, kept := n.token(t, worker), n.token(t, worker)
			var all, others []*stream
			for _, kind := range []string{"events", "download", "gRPC"} {
				all, others = append(all, openStream(t, gate, kind, token)), append(others, openStream(t, gate, kind, kept))
			}
			if tt.change != nil {
				rewrite(t, n, tt.change)
			}
			n.reload(t)
			time.Sleep(grace + 500*time.Millisecond)
			counted := n.streamEnds(t)
			n.revoke(t, worker, token)
			revoked := time.Now()
			for _, s := range all {
				s.ends(t, revoked, streamEnd)
			}
			if got := n.streamEnds(t) - counted; got != float64(len(all)) {
				t.Errorf("the metric counts %v ends, want %d", got, len(all))
			}
			for _, s := range others {
				s.goesOn(t)
			}
			fresh := n.token(t, worker)
			again := openAll(t, gate, fresh)
			n.revoke(t, worker, fresh)
			allEnd(t, "of the new configuration", time.Now(), streamEnd, fresh, gate, again)
		})
	}
}

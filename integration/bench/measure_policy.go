package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
)

// gatePolicy is what one condition and three forwarded claims add to a gate where the token is known: to the same gate without them, and to one
// behind which the upstream gets three more headers as well, which Caddy has to copy and to send.
func (b *bench) gatePolicy() error {
	const headers = "\trequest_header X-User 01a2031f-861f-7aa8-821c-fc28abc2692f\n\trequest_header X-Client bench-client\n" +
		"\trequest_header X-Token-Id 01a2031f-861f-7aa8-821c-fc28abc2692f\n"
	plain := b.gateWith("")
	rich := b.gateWith("\t\tallow `claims.client_id == \"bench-client\" && request.method in [\"GET\", \"HEAD\"]`\n" +
		"\t\tforward_claim sub X-User\n\t\tforward_claim client_id X-Client\n\t\tforward_claim jti X-Token-Id\n")
	tokens, err := b.issuer.mint(1)
	if err != nil {
		return err
	}
	for _, row := range []struct{ name, site, against string }{
		{"gate.policy", plain, "the same gate without"},
		{"gate.policy.beside_headers", headers + plain, "the same gate without, beside three static headers"},
	} {
		if err := b.policy(row.name, row.against, row.site, rich, tokens); err != nil {
			return err
		}
	}
	return nil
}

// policy compares two sites with one token.
func (b *bench) policy(name, against, without, with string, tokens []string) error {
	base, baseAddr, err := b.serveSite(name+"-without", b.bin.gatehouse, without)
	if err != nil {
		return err
	}
	defer base.stop()
	test, testAddr, err := b.serveSite(name, b.bin.gatehouse, with)
	if err != nil {
		return err
	}
	defer test.stop()
	for s, addr := range map[*server]string{base: baseAddr, test: testAddr} {
		if _, err := s.answers(addr, get(addr, "/", tokens[0]), http.StatusOK); err != nil {
			return err
		}
	}
	left, right := b.through(base, baseAddr, tokens, http.StatusOK), b.through(test, testAddr, tokens, http.StatusOK)
	o, err := b.play(quickly(left, right, 14))
	if err != nil {
		return err
	}
	b.report.add(
		requestRate(name+".rate", o, against).target(atLeast, 0.97),
		latency(name+".p99", o, against),
		cpu(name+".cpu", o, against),
		b.instructions(name+".instructions", left, right, against),
	)
	return nil
}

// trusting is the global option of gates that other proxies ask.
const trusting = "\tservers {\n\t\tprotocols h1 h2 h2c\n\t\ttrusted_proxies static 127.0.0.0/8\n\t}\n"

// gateAuthorizer is how many questions of other proxies are answered: over HTTP, and Envoy's over gRPC.
func (b *bench) gateAuthorizer() error {
	tokens, err := b.issuer.mint(1)
	if err != nil {
		return err
	}
	if err := b.askForward(tokens[0]); err != nil {
		return err
	}
	return b.askEnvoy(tokens[0])
}

func (b *bench) authorizer(name, protocol string) (*server, string, error) {
	s, err := newSite(b.gateWith(forwardSubject + "\t\tauthorizer " + protocol + "\n"))
	if err != nil {
		return nil, "", err
	}
	config, err := newCaddyfile(trusting, s)
	if err != nil {
		return nil, "", err
	}
	server, err := b.serve(name, b.bin.gatehouse, config)
	return server, s.addr, err
}

func (b *bench) askForward(token string) error {
	bare, bareAddr, err := b.bareProxy()
	if err != nil {
		return err
	}
	gate, addr, err := b.authorizer("gate-authorizer", "forward")
	if err != nil {
		return err
	}
	defer gate.stop()
	question := getWith(addr, "/ask", "Authorization: Bearer "+token, "X-Forwarded-Method: GET", "X-Forwarded-Uri: /orders/42?x=1",
		"X-Forwarded-Host: orders.example.com", "X-Forwarded-Proto: https")
	if _, err := gate.answers(addr, question, http.StatusOK); err != nil {
		return err
	}
	o, err := b.play(quickly(b.target(bare, bareAddr, gateConns, http.StatusOK, question), b.target(gate, addr, gateConns, http.StatusOK, question), 6))
	if err != nil {
		return err
	}
	b.report.add(requestRate("gate.authorizer.forward", o, bareName), cpu("gate.authorizer.forward.cpu", o, bareName))
	return nil
}

// askEnvoy asks as Envoy does, with its own protocol buffers: many questions at a time on a few connections. The
// client is busier than the gate, so that the number is what both do.
func (b *bench) askEnvoy(token string) error {
	gate, addr, err := b.authorizer("gate-ext-authz", "envoy")
	if err != nil {
		return err
	}
	defer gate.stop()
	question := &authv3.CheckRequest{Attributes: &authv3.AttributeContext{Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
		Id: "1", Method: http.MethodGet, Scheme: "https", Host: "orders.example.com", Path: "/orders/42?x=1", Protocol: "HTTP/1.1",
		Headers: map[string]string{":method": "GET", ":path": "/orders/42?x=1", ":authority": "orders.example.com", ":scheme": "https",
			"authorization": "Bearer " + token, "user-agent": "bench", "accept": "*/*"},
	}}}}
	var clients []authv3.AuthorizationClient
	for range 2 {
		conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			return err
		}
		defer conn.Close()
		clients = append(clients, authv3.NewAuthorizationClient(conn))
	}
	check := func(c authv3.AuthorizationClient) error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		a, err := c.Check(ctx, question, grpc.WaitForReady(true))
		if err == nil && a.GetStatus().GetCode() != int32(codes.OK) {
			err = fmt.Errorf("the gate says %d %s", a.GetStatus().GetCode(), a.GetDeniedResponse().GetBody())
		}
		return err
	}
	if err := check(clients[0]); err != nil {
		return err
	}
	var rates []float64
	for range b.blocks(6) {
		var (
			wait  sync.WaitGroup
			count atomic.Int64
			errs  = make([]error, gateConns)
		)
		begin := time.Now()
		for i := range errs {
			wait.Go(func() {
				for errs[i] == nil && time.Since(begin) < 500*time.Millisecond {
					errs[i] = check(clients[i%len(clients)])
					count.Add(1)
				}
			})
		}
		wait.Wait()
		if err := errors.Join(errs...); err != nil {
			return err
		}
		rates = append(rates, float64(count.Load())/time.Since(begin).Seconds())
	}
	b.report.add(value("gate.ext_authz", median(rates), "requests/s"))
	return nil
}

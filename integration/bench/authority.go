package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
)

// The environments of the authorization server under test: one for each
// signing algorithm.
const (
	rsaEnvironment = "11111111-1111-4111-8111-111111111111"
	ecEnvironment  = "22222222-2222-4222-8222-222222222222"

	workerID       = "bench-worker"
	workerSecret   = "bench-worker-secret"
	opaqueWorkerID = "bench-opaque-worker" // its access tokens are opaque; the secret is the same
	resourceID     = "orders"
	resourceSecret = "bench-resource-secret"

	// The administrator may do everything in its environment through the management API.
	adminID     = "bench-admin"
	adminSecret = "bench-admin-secret"
)

// authority is a running Gatehouse: authorization server, a gate in the same
// process before the upstream.
type authority struct {
	*server
	addr, gate string
	config     caddyfile
}

// authorityConfig describes one whose store is in dir.
func (b *bench) authorityConfig(dir string) (*authority, error) {
	return b.authorityOn(sqliteLines(dir), rsaEnvironment)
}

func sqliteLines(dir string) string {
	return fmt.Sprintf("\t\tstorage sqlite {\n\t\t\tpath %s\n\t\t}\n", filepath.Join(dir, "gatehouse.db"))
}

// authorityOn describes one with the given lines about its store, whose gate
// takes tokens of one environment. $ADDR in the lines is where it will listen.
func (b *bench) authorityOn(storage, gated string) (*authority, error) {
	return b.authorityBefore(storage, gated, b.proxyTo())
}

// authorityBefore is authorityOn with something else behind its gate.
func (b *bench) authorityBefore(storage, gated, behind string) (*authority, error) {
	a := &authority{}
	sites := []site{{}, {}}
	for i, addr := range []*string{&a.addr, &a.gate} {
		var err error
		if *addr, err = freeAddr(); err != nil {
			return nil, err
		}
		sites[i].addr = *addr
	}
	sites[0].body = "\tauthorization_server\n"
	sites[1].body = fmt.Sprintf("\tbearer_auth {\n\t\tissuer %s\n\t\taudience %s\n\t\tscope %s\n\t\tforward_claim client_id X-Client\n\t}\n",
		a.issuer(gated), audience, tokenScope) + behind

	var globals strings.Builder
	globals.WriteString("\tgatehouse {\n" + strings.ReplaceAll(storage, "$ADDR", a.addr) + "\t\tinsecure_unlimited 127.0.0.0/8\n")
	for _, env := range []struct{ name, id, algorithm string }{{"rsa", rsaEnvironment, "RS256"}, {"ec", ecEnvironment, "ES256"}} {
		fmt.Fprintf(&globals, `		environment %s %s {
			issuer %s
			signing_algorithm %s
			resource %s {
				audience %s
				scope %s
				secret %s
			}
			application %s {
				type worker
				secret %s
				allow %s
			}
			application %s {
				type worker
				secret %s
				allow %s
				access_token_format opaque
			}
			application %s {
				type worker
				secret %s
				role "Environment Admin" "Identity Data Admin"
			}
			application %s {
				type web_app
				secret %s
				grant authorization_code refresh_token
				redirect_uri %s
				allow openid %s
			}
			user %s {
				password %s
			}
		}
`, env.name, env.id, a.issuer(env.id), env.algorithm, resourceID, audience, tokenScope, resourceSecret,
			workerID, workerSecret, tokenScope, opaqueWorkerID, workerSecret, tokenScope, adminID, adminSecret, webID, webSecret, webRedirect, tokenScope, webUser, webPassword)
	}
	globals.WriteString("\t}\n")
	var err error
	a.config, err = newCaddyfile(globals.String(), sites...)
	return a, err
}

func (a *authority) issuer(environment string) string {
	return "http://" + a.addr + "/" + environment + "/as"
}

// startAuthority runs one and waits until it issues tokens in both environments.
func (b *bench) startAuthority(name string) (*authority, error) {
	a, err := b.authorityConfig(filepath.Join(b.runs, name))
	if err != nil {
		return nil, err
	}
	return a, b.run(a, name)
}

func (b *bench) run(a *authority, name string) error {
	var err error
	if a.server, err = b.serve(name, b.bin.gatehouse, a.config); err != nil {
		return err
	}
	for _, environment := range []string{rsaEnvironment, ecEnvironment} {
		if _, err := a.answers(a.addr, a.tokenRequest(environment), http.StatusOK); err != nil {
			return err
		}
	}
	return nil
}

func (a *authority) tokenRequest(environment string) []byte {
	return a.tokenRequestOf(workerID, environment)
}

func (a *authority) tokenRequestOf(worker, environment string) []byte {
	return post(a.addr, "/"+environment+"/as/token", worker, workerSecret,
		url.Values{"grant_type": {"client_credentials"}, "scope": {tokenScope}})
}

func (a *authority) introspectionRequest(environment, token string) []byte {
	return post(a.addr, "/"+environment+"/as/introspect", resourceID, resourceSecret, url.Values{"token": {token}})
}

func (a *authority) revocationRequest(environment, token string) []byte {
	return post(a.addr, "/"+environment+"/as/revoke", workerID, workerSecret, url.Values{"token": {token}})
}

// issue gets n tokens from the token endpoint.
func (a *authority) issue(environment string, n int) ([]string, error) {
	const workers = 16
	var wait sync.WaitGroup
	tokens, errs := make([]string, n), make([]error, workers)
	request := a.tokenRequest(environment)
	for w := range workers {
		wait.Go(func() {
			for i := w; i < n && errs[w] == nil; i += workers {
				tokens[i], errs[w] = a.issueOne(request)
			}
		})
	}
	wait.Wait()
	return tokens, errors.Join(errs...)
}

func (a *authority) issueOne(request []byte) (string, error) {
	status, body, err := ask(a.addr, request)
	if err != nil {
		return "", err
	}
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || status != http.StatusOK || answer.AccessToken == "" {
		return "", fmt.Errorf("token endpoint: status %d: %.200s", status, body)
	}
	return answer.AccessToken, nil
}

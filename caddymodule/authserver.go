package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-gatehouse/gatehouse/authserver"
	"github.com/caddy-gatehouse/gatehouse/authserver/mtls"
)

func init() {
	caddy.RegisterModule(AuthServer{})
	httpcaddyfile.RegisterHandlerDirective("authorization_server", parseAuthServer)
	// Behind what shapes the response, and before the handlers that answer
	// everything: it passes on what is not its own.
	httpcaddyfile.RegisterDirectiveOrder("authorization_server", httpcaddyfile.Before, "respond")
}

// AuthServer answers the authorization server's paths, of every environment of
// the gatehouse app, and passes on the others.
type AuthServer struct {
	// The surfaces to expose: "oidc", "management", and "legacy", which has to be configured in the gatehouse app. Default: all there are.
	Surfaces []string `json:"surfaces,omitempty"`
	// Where client certificates come from (RFC 8705). Where it is given, the metadata says that they may be presented at every
	// issuer. Default: the TLS connection, and the metadata speaks of certificates where an environment has an mtls_url.
	ClientCertificate *ClientCertificate `json:"client_certificate,omitempty"`

	server       *authserver.Server
	access       accessLog
	certificates *clientCertificates // nil without ClientCertificate
}

// CaddyModule returns the Caddy module information.
func (AuthServer) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.authorization_server",
		New: func() caddy.Module { return new(AuthServer) },
	}
}

// Provision builds the server on the app's state.
func (m *AuthServer) Provision(ctx caddy.Context) error {
	app, err := configuredApp(ctx)
	if err != nil {
		return err
	}
	if app == nil {
		return errors.New("authorization_server needs the gatehouse app: configure the global option 'gatehouse'")
	}
	certificate, err := m.provisionCertificates()
	if err != nil {
		return err
	}
	m.access = newAccessLog(ctx, app.ssoTokenName(), m.certificates.headers()...)
	m.server, err = authserver.New(ctx, authserver.Config{
		ClientCertificate: certificate,
		State:             app.state.State, Directory: app.directory, Surfaces: m.Surfaces, Log: ctx.Slogger(),
		Notifier: app.notifier, Outbound: app.outbound, Address: clientAddress, InsecureNoLimit: app.isUnlimited,
		Legacy: app.legacy, APIURL: app.APIURL, AuditRetention: time.Duration(app.AuditRetention),
	})
	if err == nil {
		app.servers = append(app.servers, m.server)
	}
	return err
}

// provisionCertificates says where client certificates come from; nil for the server's own default.
func (m *AuthServer) provisionCertificates() (func(*http.Request) (*mtls.Certificate, error), error) {
	switch {
	case m.ClientCertificate == nil:
		return nil, nil
	case m.ClientCertificate.Required:
		return nil, errors.New("client_certificate: required is for gates: here each application says what it needs")
	}
	var err error
	if m.certificates, err = m.ClientCertificate.source(); err != nil {
		return nil, fmt.Errorf("client_certificate: %w", err)
	}
	return m.certificates.of, nil
}

// Cleanup ends the server's own work. Requests may still be answered.
func (m *AuthServer) Cleanup() error {
	if m.server == nil {
		return nil
	}
	return m.server.Close()
}

// clientAddress is the client as Caddy sees it, behind the proxies that the
// server's configuration trusts.
func clientAddress(r *http.Request) string {
	address, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	return address
}

// ServeHTTP answers a request for the server, or passes it on.
func (m *AuthServer) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	m.certificates.cleanse(r)
	if m.server.Handles(r) {
		return m.access.around(w, r, func(w http.ResponseWriter, r *http.Request) error {
			m.server.ServeHTTP(w, r)
			return nil
		})
	}
	if m.access.concerns(r) {
		return m.access.around(w, r, next.ServeHTTP)
	}
	return next.ServeHTTP(w, r)
}

func parseAuthServer(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	m := new(AuthServer)
	if err := m.UnmarshalCaddyfile(h.Dispenser); err != nil {
		return nil, err
	}
	return m, nil
}

// UnmarshalCaddyfile reads the directive. Syntax:
//
//	authorization_server [<matcher>] [<surface...>] {
//	    client_certificate { … }
//	}
func (m *AuthServer) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the directive's name
	m.Surfaces = d.RemainingArgs()
	return eachSubdirective(d, "authorization_server", map[string]option{
		"client_certificate": once(func() error {
			m.ClientCertificate = new(ClientCertificate)
			return m.ClientCertificate.parse(d, nil)
		}),
	})
}

var (
	_ caddy.Provisioner           = (*AuthServer)(nil)
	_ caddy.CleanerUpper          = (*AuthServer)(nil)
	_ caddyhttp.MiddlewareHandler = (*AuthServer)(nil)
	_ caddyfile.Unmarshaler       = (*AuthServer)(nil)
)

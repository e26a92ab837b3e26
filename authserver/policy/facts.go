package policy

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"

	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

// facts are the variables of one evaluation, made when they are read.
type facts struct {
	request *http.Request
	token   *resourceserver.Token
	around  *Surroundings
}

// Parent implements interpreter.Activation.
func (f *facts) Parent() interpreter.Activation { return nil }

// ResolveName implements interpreter.Activation. What there is not, is an error as a value: a comparison with "" would be met.
func (f *facts) ResolveName(name string) (any, bool) {
	r := f.request
	switch name {
	case "claims":
		return claims{f.token.Claims}, true
	case "request.method":
		return text(r.Method), true
	case "request.path":
		return text(r.URL.Path), true
	case "request.host":
		return text(hostname(r.Host)), true
	case "request.query":
		return query(r.URL.RawQuery), true
	case "request.headers":
		if len(r.Header) > maxList { // who goes through a part of them may not come by the one that counts
			return types.WrapErr(ErrTooLong), true
		}
		return headers(r.Header), true
	case "request.client_ip":
		return address(f.around.ClientIP(r)), true
	case "request.remote_ip":
		return address(connectionIP(r)), true
	case "now":
		return types.Timestamp{Time: f.around.Now()}, true
	}
	if v := f.ofToken(name); v != nil {
		return v, true
	}
	if v := f.ofTLS(name); v != nil {
		return v, true
	}
	return nil, false
}

func (f *facts) ofToken(name string) ref.Val {
	switch name {
	case "token.issuer":
		return text(f.token.Issuer())
	case "token.expires":
		if end := f.token.Expiry(); !end.IsZero() {
			return types.Timestamp{Time: end}
		}
		return types.WrapErr(ErrAbsent)
	case "token.scope":
		return newTexts(f.token.Claims.Scope)
	case "token.audience":
		return newTexts(f.token.Claims.Audience)
	}
	return nil
}

func (f *facts) ofTLS(name string) ref.Val {
	state := f.request.TLS
	switch name {
	case "tls.present":
		return types.Bool(state != nil)
	case "tls.client_verified":
		return types.Bool(state != nil && len(state.VerifiedChains) > 0)
	}
	if !strings.HasPrefix(name, "tls.") {
		return nil
	}
	if state == nil {
		return types.WrapErr(ErrAbsent)
	}
	switch name {
	case "tls.version", "tls.server_name":
		if state.Version == 0 { // the connection is another proxy's, which does not tell
			return types.WrapErr(ErrAbsent)
		}
		if name == "tls.server_name" {
			return text(state.ServerName)
		}
		return types.String(strings.TrimPrefix(tls.VersionName(state.Version), "TLS "))
	case "tls.client_fingerprint":
		// Whoever signed it: the client has shown that it has the key.
		if len(state.PeerCertificates) == 0 {
			return types.WrapErr(ErrAbsent)
		}
		sum := sha256.Sum256(state.PeerCertificates[0].Raw)
		return types.String(hex.EncodeToString(sum[:]))
	}
	// A certificate that nobody vouches for says whatever its maker likes.
	if len(state.VerifiedChains) == 0 || len(state.VerifiedChains[0]) == 0 {
		return types.WrapErr(ErrAbsent)
	}
	leaf := state.VerifiedChains[0][0]
	switch name {
	case "tls.client_subject":
		return text(leaf.Subject.String())
	case "tls.client_dns":
		return newTexts(leaf.DNSNames)
	}
	return nil
}

// hostname is the host that a request names, as names are compared: without port, case and trailing dot.
func hostname(host string) string {
	u := url.URL{Host: host}
	return strings.TrimRight(strings.ToLower(u.Hostname()), ".")
}

func connectionIP(r *http.Request) netip.Addr {
	at, _ := netip.ParseAddrPort(r.RemoteAddr)
	return at.Addr().Unmap()
}

func address(a netip.Addr) ref.Val {
	if !a.IsValid() {
		return types.WrapErr(ErrAbsent)
	}
	return types.String(a.WithZone("").String())
}

package fetch

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Options shapes a Client. Zero fields mean the defaults.
type Options struct {
	CA []byte // PEM roots instead of the system's; nothing readable in it is an error
	// ExtraCA are PEM roots beside those; nothing readable in it is an error.
	ExtraCA  []byte
	Timeout  time.Duration // whole exchange, from dialling to the last byte of the body; default 5 s
	MaxBody  int64         // bytes of an answer, after decompression; default 1 MiB
	MaxConns int           // per host; default 64
	// InsecureLoopbackHTTP allows http URLs whose host is a loopback name or
	// address. The address is checked again when dialling, so that a resolver
	// cannot lead such a request off the machine.
	InsecureLoopbackHTTP bool
	// StrangerNetworks are those beyond the public Internet that Client.Strangers may connect to:
	// loopback and private ones, for instance. Default: none.
	StrangerNetworks []netip.Prefix
}

func (o Options) withDefaults() Options {
	if o.Timeout == 0 {
		o.Timeout = 5 * time.Second
	}
	if o.MaxBody == 0 {
		o.MaxBody = 1 << 20
	}
	if o.MaxConns == 0 {
		o.MaxConns = 64
	}
	return o
}

// roots reads CA and ExtraCA. A nil pool means the system's roots.
func (o Options) roots() (*x509.CertPool, error) {
	var pool *x509.CertPool
	if o.CA != nil {
		pool = x509.NewCertPool()
		if !pool.AppendCertsFromPEM(o.CA) {
			return nil, errors.New("the CA file holds no readable PEM certificate")
		}
	}
	if o.ExtraCA == nil {
		return pool, nil
	}
	if pool == nil {
		var err error
		if pool, err = x509.SystemCertPool(); err != nil {
			return nil, fmt.Errorf("the system's certificates: %w", err)
		}
	}
	if !pool.AppendCertsFromPEM(o.ExtraCA) {
		return nil, errors.New("the extra CA file holds no readable PEM certificate")
	}
	return pool, nil
}

// CheckURL judges a configured URL at load time: absolute, https (or http to a
// loopback host where InsecureLoopbackHTTP is set), no user info, no fragment.
func (o Options) CheckURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("%q is not a URL", raw)
	}
	switch {
	case u.Scheme == "" || u.Opaque != "" || u.Hostname() == "":
		return nil, fmt.Errorf("%q is not an absolute URL", raw)
	case u.User != nil:
		// The text is not repeated: it holds a password.
		return nil, errors.New("the URL must not contain user information")
	case strings.Contains(raw, "#"):
		return nil, fmt.Errorf("%q must not have a fragment", raw)
	case u.Scheme == "https":
		return u, nil
	case u.Scheme != "http":
		return nil, fmt.Errorf("%q must be an https URL", raw)
	case !isLoopback(u.Hostname()):
		return nil, fmt.Errorf("%q must be an https URL: plain http is possible for loopback hosts only", raw)
	case !o.InsecureLoopbackHTTP:
		return nil, fmt.Errorf("%q must be an https URL unless insecure_loopback_http is set", raw)
	}
	return u, nil
}

// isLoopback reports whether a URL's host names this machine (RFC 6761 §6.3).
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

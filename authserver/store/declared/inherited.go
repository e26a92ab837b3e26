package declared

import (
	"fmt"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// inherited is what every environment has that says nothing else: the declared ones, and those that are kept elsewhere.
type inherited struct {
	mtlsURL   string // without the environment's part; "" for none
	clientCAs []byte // nil for none
}

// newInherited reads what c says of all environments.
func newInherited(c *Config) (inherited, error) {
	i := inherited{mtlsURL: c.MTLSURL}
	if c.MTLSURL != "" {
		err := checkIssuer(c.MTLSURL, "")
		switch {
		case err != nil:
		case !strings.HasPrefix(c.MTLSURL, "https:"):
			err = fmt.Errorf("%q is not https: without TLS there are no client certificates", c.MTLSURL)
		case strings.HasSuffix(c.MTLSURL, "/as"):
			err = fmt.Errorf("%q ends in /as: the environment and /as come behind it", c.MTLSURL)
		}
		if err != nil {
			return inherited{}, fmt.Errorf("mtls_url %w", err)
		}
	}
	if c.ClientCAFile != "" {
		var err error
		if i.clientCAs, err = readAuthorities(c.ClientCAFile); err != nil {
			return inherited{}, fmt.Errorf("client_ca_file: %w", err)
		}
	}
	return i, nil
}

// to gives e what it does not have itself.
func (i *inherited) to(e *store.Environment) {
	if e.MTLSURL == "" && i.mtlsURL != "" {
		e.MTLSURL = i.mtlsURL + "/" + e.ID + "/as"
	}
	if e.ClientCAs == nil {
		e.ClientCAs = i.clientCAs
	}
}

// Inherit gives e, which is not declared, what the configuration says of all environments. e must not be in use yet.
func (d *Directory) Inherit(e *store.Environment) { d.inherited.to(e) }

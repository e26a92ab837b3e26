package policy

import (
	"net/http"

	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

// Condition is one compiled expression. Safe for concurrent use.
type Condition struct{}

// Compile checks an expression, whose value must be a bool. Errors say what is wrong with it and where.
//
// It sees
//   - claims: the token's claims, a map
//   - token: issuer, expires (timestamp), scope (list), audience (list)
//   - request: method, path (as the upstream gets it), host, query (map of lists), headers (map of strings, lower-case names, without credentials), remote_ip
//   - tls: present, version, server_name, and the client's certificate: client_subject, client_dns (list), client_fingerprint
//   - now: timestamp
func Compile(expression string) (*Condition, error) { panic("contract") }

// Allows implements resourceserver.Condition.
func (c *Condition) Allows(r *http.Request, t *resourceserver.Token) (bool, error) { panic("contract") }

// String is the expression.
func (c *Condition) String() string { panic("contract") }

var _ resourceserver.Condition = (*Condition)(nil)

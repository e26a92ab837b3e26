package policy

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/interpreter"

	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

// Condition is one compiled expression. Safe for concurrent use.
type Condition struct {
	text    string
	program cel.Program
	around  Surroundings
}

// Surroundings is what a host knows beyond a request. The zero value knows nothing but the connection.
type Surroundings struct {
	// ClientIP is the address of who asks, where a trusted proxy may stand between. Default: that of the connection.
	ClientIP func(*http.Request) netip.Addr
	// Now is the clock. Default: time.Now.
	Now func() time.Time
}

// Compile checks an expression, whose value must be a bool. Errors say what is wrong with it and where.
//
// It sees
//   - claims: the token's claims, a map. Numbers are int where they are written as whole ones, else double
//   - token: issuer, expires (timestamp), scope (list), audience (list)
//   - request: method, path (as the upstream gets it, decoded), host (lower-case, without port), query (map of lists), headers (map of strings,
//     lower-case names, without credentials), client_ip, remote_ip (of the connection)
//   - tls: present, version ("1.3"), server_name, and the client's certificate: client_verified, client_subject, client_dns (list), client_fingerprint
//   - now: timestamp
func Compile(expression string) (*Condition, error) { return Surroundings{}.Compile(expression) }

// Compile is the function Compile, for conditions that see s as well.
func (s Surroundings) Compile(expression string) (*Condition, error) {
	if s.Now == nil {
		s.Now = time.Now
	}
	if s.ClientIP == nil {
		s.ClientIP = connectionIP
	}
	program, err := compile(expression)
	if err != nil {
		return nil, fmt.Errorf("condition %q: %w", expression, err)
	}
	return &Condition{text: expression, program: program, around: s}, nil
}

// Allows implements resourceserver.Condition. Errors name the condition and the kind of what is wrong; never a value that was looked at.
func (c *Condition) Allows(r *http.Request, t *resourceserver.Token) (bool, error) {
	value, _, err := c.program.Eval(&facts{request: r, token: t, around: &c.around})
	if err != nil {
		return false, &Error{Condition: c.text, Problem: problem(err)}
	}
	met, ok := value.(types.Bool)
	if !ok {
		return false, &Error{Condition: c.text, Problem: ErrType}
	}
	return bool(met), nil
}

// String is the expression.
func (c *Condition) String() string { return c.text }

// Error is why a condition could not be judged.
type Error struct {
	Condition string // as it was written
	Problem   error  // one of the Err… of this package
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("condition %q: %v", e.Condition, e.Problem) }

// Unwrap gives Problem.
func (e *Error) Unwrap() error { return e.Problem }

// What keeps a condition from being judged. The library's own errors may have claims or headers in their text, and are not passed on.
var (
	ErrAbsent    = errors.New("something that it reads is not there")
	ErrType      = errors.New("something that it reads is of another type, or cannot be converted")
	ErrTooLong   = errors.New("something that it reads is too long")
	ErrMalformed = errors.New("something that it reads is malformed")
	ErrCost      = errors.New("it takes too much to judge")
)

func problem(err error) error {
	for _, ours := range []error{ErrAbsent, ErrTooLong, ErrMalformed} {
		if errors.Is(err, ours) {
			return ours
		}
	}
	if _, ok := errors.AsType[interpreter.EvalCancelledError](err); ok {
		return ErrCost
	}
	if text := err.Error(); strings.HasPrefix(text, "no such key") || strings.HasPrefix(text, "no such attribute") || strings.HasPrefix(text, "index out of bounds") {
		return ErrAbsent
	}
	return ErrType
}

var _ resourceserver.Condition = (*Condition)(nil)

package jose

// Problem is why a token was refused: a closed set, for metrics and logs.
type Problem string

// The problems.
const (
	ProblemOversized Problem = "oversized"
	ProblemMalformed Problem = "malformed"
	ProblemAlgorithm Problem = "algorithm" // absent, none, unknown or not allowed
	ProblemCritical  Problem = "critical"  // crit or b64 (RFC 7515 §4.1.11, RFC 7797)
	ProblemType      Problem = "type"
	ProblemEncrypted Problem = "encrypted" // a JWE where a JWS is asked for
	ProblemKey       Problem = "key"       // no key fits
	ProblemSignature Problem = "signature"
)

// Error is a refused JOSE object. It never repeats the input.
type Error struct {
	Problem Problem
	Detail  string
}

// Error names the problem and, in words of this package alone, the detail.
func (e *Error) Error() string { return "jose: " + string(e.Problem) + ": " + e.Detail }

func refuse(p Problem, detail string) *Error { return &Error{Problem: p, Detail: detail} }

func malformed(detail string) *Error { return refuse(ProblemMalformed, detail) }

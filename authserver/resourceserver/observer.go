package resourceserver

import "time"

// Path is how a verdict was reached.
type Path uint8

// The paths. String gives the label.
const (
	PathCacheHit Path = iota
	PathJWT
	PathIntrospection
	PathLocal
	PathCount
)

// String is the metric label: cache_hit, jwt, introspection, in_process.
func (p Path) String() string {
	switch p {
	case PathCacheHit:
		return "cache_hit"
	case PathJWT:
		return "jwt"
	case PathIntrospection:
		return "introspection"
	case PathLocal:
		return "in_process"
	}
	return "unknown"
}

// Observer is told what the verifier does. Issuers are numbered as configured;
// -1 means that none was determined. Calls are concurrent and must not block.
type Observer interface {
	// Decided is told once for each request that goes through Authorize.
	Decided(issuer int, r Reason)
	// Verified is told once for each token that was looked at, with the verdict's path.
	Verified(p Path, d time.Duration)
	// KeysRefreshed is told of each attempt to fetch an issuer's keys.
	KeysRefreshed(issuer int, ok bool)
	// Introspected is told of each call of an endpoint; outcome is active, inactive or error.
	Introspected(issuer int, outcome string, d time.Duration)
}

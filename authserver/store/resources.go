package store

import "time"

// IDs of the two resources that every environment has. They are reserved: a
// custom resource cannot have them. Client.Grants uses them like any other ID.
const (
	ResourceOpenID  = "openid"  // the scopes of OpenID Connect
	ResourcePingOne = "pingone" // the PingOne API's self-service scopes
)

// Bounds of Resource.AccessTokenTTL, and the lifetime of every access token that
// is not for a custom resource.
const (
	MinAccessTokenTTL     = 5 * time.Minute
	MaxAccessTokenTTL     = 30 * 24 * time.Hour
	DefaultAccessTokenTTL = time.Hour
)

// RevocationTTL is how long a revocation of access tokens is needed: the longest of their lives, and the time for
// which gates whose clocks differ may accept a token after its exp.
const RevocationTTL = MaxAccessTokenTTL + 10*time.Minute

// Lifetimes that PingOne fixes or gives as defaults.
const (
	IDTokenTTL             = time.Hour
	DefaultRefreshTokenTTL = 30 * 24 * time.Hour
	CodeTTL                = 10 * time.Minute
	StrictCodeTTL          = time.Minute
	DefaultPARTimeout      = time.Minute
	FlowIdle               = 15 * time.Minute
)

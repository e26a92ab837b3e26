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

// Lifetimes that PingOne fixes or gives as defaults.
const (
	IDTokenTTL             = time.Hour
	DefaultRefreshTokenTTL = 30 * 24 * time.Hour
	CodeTTL                = 10 * time.Minute
	StrictCodeTTL          = time.Minute
	DefaultPARTimeout      = time.Minute
	FlowIdle               = 15 * time.Minute
)

package declared

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// SignIn is what an application declares to have people sign in.
type SignIn struct {
	// ResponseTypes are the parts that may be combined: code, token, id_token.
	// Default: code with grant authorization_code, token and id_token with implicit.
	ResponseTypes []string `json:"response_types,omitempty"`
	// WildcardRedirectURIs allows one * in each redirect URI, within one segment of its path.
	WildcardRedirectURIs bool `json:"wildcard_redirect_uris,omitempty"`
	// PostLogoutRedirectURIs are compared byte for byte.
	PostLogoutRedirectURIs []string `json:"post_logout_redirect_uris,omitempty"`
	// PKCE is optional, required or s256_required. Default: s256_required for
	// applications with auth_method none (RFC 9700 §2.1.1), otherwise optional.
	PKCE string `json:"pkce,omitempty"`
	// RefreshTokenTTL is the life of one refresh token: default 30 days, at least a minute.
	// RefreshTokenRolling is how long after sign-on they may be exchanged; default: without limit.
	// RefreshTokenGrace is how long a rotated one still gets the same successor: default 0, at most 24 hours.
	RefreshTokenTTL     Duration `json:"refresh_token_ttl,omitempty"`
	RefreshTokenRolling Duration `json:"refresh_token_rolling,omitempty"`
	RefreshTokenGrace   Duration `json:"refresh_token_grace,omitempty"`
	// NoReplayProtection lets the successors of a replayed refresh token live (weaker: PingOne's option).
	NoReplayProtection bool `json:"no_replay_protection,omitempty"`
	// PARRequired refuses authorization requests that were not pushed; PARTimeout
	// is how long a pushed one is good: 1 to 600 seconds, default 60.
	PARRequired bool     `json:"par_required,omitempty"`
	PARTimeout  Duration `json:"par_timeout,omitempty"`
	// UnsignedRequestObject accepts request objects with alg none; SignedRequestObject requires signed ones.
	UnsignedRequestObject bool `json:"unsigned_request_object,omitempty"`
	SignedRequestObject   bool `json:"signed_request_object,omitempty"`
	// UserInfoSigned answers at the UserInfo endpoint with a signed JWT.
	UserInfoSigned bool `json:"userinfo_signed,omitempty"`
	// Attributes are mapped claims of ID tokens and UserInfo answers.
	Attributes []Attribute `json:"attributes,omitempty"`
	// Consent is never (default), once or always.
	Consent string `json:"consent,omitempty"`
	// IDPSignoff allows signing off with an ID token alone. SessionCheck adds session_state.
	IDPSignoff   bool `json:"idp_signoff,omitempty"`
	SessionCheck bool `json:"session_check,omitempty"`
	// BackchannelLogoutURI and FrontchannelLogoutURI are told of ended sessions.
	BackchannelLogoutURI      string `json:"backchannel_logout_uri,omitempty"`
	FrontchannelLogoutURI     string `json:"frontchannel_logout_uri,omitempty"`
	FrontchannelLogoutSession bool   `json:"frontchannel_logout_session,omitempty"`
	// AccessTokenFormat is "jwt" or "opaque". Default: the environment's.
	AccessTokenFormat string `json:"access_token_format,omitempty"`
	// IncludeX5T adds x5t to the header of tokens.
	IncludeX5T bool `json:"include_x5t,omitempty"`
	// CORSOrigins may call with cookies: scheme and host, without a path.
	CORSOrigins []string `json:"cors_origins,omitempty"`
	// LoginPage replaces the hosted sign-on page. InitiateLoginURI starts a sign-on at the application.
	LoginPage        string `json:"login_page,omitempty"`
	InitiateLoginURI string `json:"initiate_login_uri,omitempty"`
	// LogoURI, PolicyURI, TOSURI and ClientURI are shown to people.
	LogoURI   string `json:"logo_uri,omitempty"`
	PolicyURI string `json:"policy_uri,omitempty"`
	TOSURI    string `json:"tos_uri,omitempty"`
	ClientURI string `json:"client_uri,omitempty"`
	// DefaultMaxAge applies where a request has no max_age. Default: none.
	DefaultMaxAge Duration `json:"default_max_age,omitempty"`
}

const maxRefreshDuration = 2147483647 * time.Second // PingOne's own bound

func setSignIn(c *store.Client, a *Application, strict bool) error {
	s := &a.SignIn
	if err := setResponses(c, s); err != nil {
		return err
	}
	if err := setPKCE(c, s.PKCE); err != nil {
		return err
	}
	format, err := accessTokenFormat(s.AccessTokenFormat)
	if err != nil {
		return err
	}
	c.AccessTokenFormat = format
	if err := setRefresh(c, s); err != nil {
		return err
	}
	switch c.Consent = store.Consent(s.Consent); c.Consent {
	case store.ConsentNever, store.ConsentOnce, store.ConsentAlways:
	case "never":
		c.Consent = store.ConsentNever
	default:
		return fmt.Errorf("consent %q is none of never, once, always", s.Consent)
	}
	timeout := time.Duration(s.PARTimeout)
	switch {
	case timeout != 0 && (timeout < time.Second || timeout > 600*time.Second):
		return fmt.Errorf("par_timeout %v is outside 1s to 10m", timeout)
	case s.UnsignedRequestObject && s.SignedRequestObject:
		return errors.New("unsigned_request_object and signed_request_object exclude each other")
	case strict && (s.WildcardRedirectURIs || s.UnsignedRequestObject || s.NoReplayProtection):
		return errors.New("wildcard_redirect_uris, unsigned_request_object and no_replay_protection are not to be had with security_profile strict")
	case s.WildcardRedirectURIs && c.AuthMethod == oauth.AuthNone:
		return errors.New("wildcard_redirect_uris is refused for public applications: nothing but the address would tell them from others")
	case s.DefaultMaxAge < 0:
		return errors.New("default_max_age is negative")
	}
	if c.Attributes, err = records(s.Attributes, func(a store.Attribute) string { return a.Claim }); err != nil {
		return err
	}
	c.PARRequired, c.PARTimeout = s.PARRequired, timeout
	c.UnsignedRequestObject, c.SignedRequestObject = s.UnsignedRequestObject, s.SignedRequestObject
	c.UserInfoSigned, c.IDPSignoff, c.SessionCheck = s.UserInfoSigned, s.IDPSignoff, s.SessionCheck
	c.FrontchannelLogoutSession, c.IncludeX5T = s.FrontchannelLogoutSession, s.IncludeX5T
	c.WildcardRedirectURIs, c.DefaultMaxAge = s.WildcardRedirectURIs, time.Duration(s.DefaultMaxAge)
	return setAddresses(c, s)
}

func setResponses(c *store.Client, s *SignIn) error {
	for _, part := range s.ResponseTypes {
		switch part {
		case oauth.ResponseCode, oauth.ResponseToken, oauth.ResponseIDToken:
		default:
			return fmt.Errorf("response_type %q is none of code, token, id_token", part)
		}
		if slices.Contains(c.ResponseTypes, part) {
			return fmt.Errorf("response_type %s is listed twice", part)
		}
		c.ResponseTypes = append(c.ResponseTypes, part)
	}
	if len(c.ResponseTypes) > 0 {
		return nil
	}
	if slices.Contains(c.GrantTypes, oauth.GrantAuthorizationCode) {
		c.ResponseTypes = append(c.ResponseTypes, oauth.ResponseCode)
	}
	if slices.Contains(c.GrantTypes, oauth.GrantImplicit) {
		c.ResponseTypes = append(c.ResponseTypes, oauth.ResponseToken, oauth.ResponseIDToken)
	}
	return nil
}

func setPKCE(c *store.Client, name string) error {
	switch name {
	case "":
		if c.AuthMethod == oauth.AuthNone {
			c.PKCE = store.PKCES256Required
		}
	case "optional":
	case "required":
		c.PKCE = store.PKCERequired
	case "s256_required":
		c.PKCE = store.PKCES256Required
	default:
		return fmt.Errorf("pkce %q is none of optional, required, s256_required", name)
	}
	return nil
}

// accessTokenFormat reads access_token_format; "" is store.FormatDefault.
func accessTokenFormat(name string) (store.AccessTokenFormat, error) {
	switch name {
	case "":
		return store.FormatDefault, nil
	case "jwt":
		return store.FormatJWT, nil
	case "opaque":
		return store.FormatOpaque, nil
	}
	return "", fmt.Errorf("access_token_format %q is neither jwt nor opaque", name)
}

func setRefresh(c *store.Client, s *SignIn) error {
	ttl, rolling, grace := orDuration(s.RefreshTokenTTL, store.DefaultRefreshTokenTTL), time.Duration(s.RefreshTokenRolling), time.Duration(s.RefreshTokenGrace)
	if rolling != 0 && s.RefreshTokenTTL == 0 {
		ttl = min(ttl, rolling)
	}
	switch {
	case ttl < time.Minute || ttl > maxRefreshDuration:
		return fmt.Errorf("refresh_token_ttl %v is outside 1m to %v", ttl, maxRefreshDuration)
	case rolling != 0 && (rolling < time.Minute || rolling > maxRefreshDuration):
		return fmt.Errorf("refresh_token_rolling %v is outside 1m to %v", rolling, maxRefreshDuration)
	case rolling != 0 && ttl > rolling:
		return fmt.Errorf("refresh_token_ttl %v is more than refresh_token_rolling %v", ttl, rolling)
	case grace < 0 || grace > 24*time.Hour:
		return fmt.Errorf("refresh_token_grace %v is outside 0 to 24h", grace)
	}
	c.RefreshTokenTTL, c.RefreshTokenRolling, c.RefreshTokenGrace = ttl, rolling, grace
	c.NoReplayProtection = s.NoReplayProtection
	return nil
}

func setAddresses(c *store.Client, s *SignIn) error {
	for _, at := range []struct {
		option, value string
		to            *string
	}{
		{"backchannel_logout_uri", s.BackchannelLogoutURI, &c.BackchannelLogoutURI},
		{"frontchannel_logout_uri", s.FrontchannelLogoutURI, &c.FrontchannelLogoutURI},
		{"login_page", s.LoginPage, &c.LoginPageURL},
		{"initiate_login_uri", s.InitiateLoginURI, &c.InitiateLoginURI},
		{"logo_uri", s.LogoURI, &c.LogoURI},
		{"policy_uri", s.PolicyURI, &c.PolicyURI},
		{"tos_uri", s.TOSURI, &c.TOSURI},
		{"client_uri", s.ClientURI, &c.ClientURI},
	} {
		if at.value != "" && !webAddress(at.value, true) {
			return fmt.Errorf("%s %q is neither an https URL nor an http one of a loopback host", at.option, at.value)
		}
		*at.to = at.value
	}
	for _, raw := range s.PostLogoutRedirectURIs {
		if err := checkRedirectURI(raw); err != nil {
			return fmt.Errorf("post_logout_redirect_uri %w", err)
		}
	}
	c.PostLogoutRedirectURIs = slices.Clone(s.PostLogoutRedirectURIs)
	for _, origin := range s.CORSOrigins {
		if !webAddress(origin, true) || strings.Count(origin, "/") != 2 || strings.ContainsAny(origin, "?*") || origin != strings.ToLower(origin) {
			return fmt.Errorf("cors_origin %q is not an origin such as https://app.example.com", origin)
		}
	}
	c.CORS = slices.Clone(s.CORSOrigins)
	return nil
}

// checkWildcard allows one * in the path of a redirect URI, in one of its
// segments, and none at all otherwise (PingOne's wording).
func checkWildcard(raw string, allowed bool) error {
	before, after, found := strings.Cut(raw, "*")
	switch {
	case !found:
		return nil
	case !allowed:
		return errors.New("wildcards are not allowed in redirect URIs; set wildcard_redirect_uris")
	case strings.Contains(after, "*"):
		return fmt.Errorf("%q has more than one *", raw)
	case strings.Count(before, "/") < 3 || !strings.Contains(before, "://") || strings.Contains(before, "?"):
		return fmt.Errorf("%q has a * outside of its path", raw)
	}
	return nil
}

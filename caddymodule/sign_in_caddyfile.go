package caddymodule

import (
	"strconv"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

// signInOptions are the options of an application that has people sign in.
func signInOptions(d *caddyfile.Dispenser, s *declared.SignIn) map[string]option {
	return map[string]option{
		"response_type":               repeated(someStrings(d, &s.ResponseTypes)),
		"wildcard_redirect_uris":      once(flag(&s.WildcardRedirectURIs)),
		"post_logout_redirect_uri":    repeated(someStrings(d, &s.PostLogoutRedirectURIs)),
		"pkce":                        once(oneString(d, &s.PKCE)),
		"refresh_token_ttl":           once(duration(d, declaredDuration(&s.RefreshTokenTTL))),
		"refresh_token_rolling":       once(duration(d, declaredDuration(&s.RefreshTokenRolling))),
		"refresh_token_grace":         once(duration(d, declaredDuration(&s.RefreshTokenGrace))),
		"no_replay_protection":        once(flag(&s.NoReplayProtection)),
		"par_required":                once(flag(&s.PARRequired)),
		"par_timeout":                 once(duration(d, declaredDuration(&s.PARTimeout))),
		"unsigned_request_object":     once(flag(&s.UnsignedRequestObject)),
		"signed_request_object":       once(flag(&s.SignedRequestObject)),
		"userinfo_signed":             once(flag(&s.UserInfoSigned)),
		"consent":                     once(oneString(d, &s.Consent)),
		"idp_signoff":                 once(flag(&s.IDPSignoff)),
		"session_check":               once(flag(&s.SessionCheck)),
		"backchannel_logout_uri":      once(oneString(d, &s.BackchannelLogoutURI)),
		"frontchannel_logout_uri":     once(oneString(d, &s.FrontchannelLogoutURI)),
		"frontchannel_logout_session": once(flag(&s.FrontchannelLogoutSession)),
		"access_token_format":         once(oneString(d, &s.AccessTokenFormat)),
		"include_x5t":                 once(flag(&s.IncludeX5T)),
		"cors_origin":                 repeated(someStrings(d, &s.CORSOrigins)),
		"login_page":                  once(oneString(d, &s.LoginPage)),
		"initiate_login_uri":          once(oneString(d, &s.InitiateLoginURI)),
		"logo_uri":                    once(oneString(d, &s.LogoURI)),
		"policy_uri":                  once(oneString(d, &s.PolicyURI)),
		"tos_uri":                     once(oneString(d, &s.TOSURI)),
		"client_uri":                  once(oneString(d, &s.ClientURI)),
		"default_max_age":             once(duration(d, declaredDuration(&s.DefaultMaxAge))),
	}
}

func signOnBlock(d *caddyfile.Dispenser, env string, s *declared.SignOn) error {
	if d.NextArg() {
		return d.Errf("environment %s: sign_on takes a block, not '%s'", env, d.Val())
	}
	return eachSubdirective(d, "sign_on", map[string]option{
		"session_idle":        once(duration(d, declaredDuration(&s.SessionIdle))),
		"session_lifetime":    once(duration(d, declaredDuration(&s.SessionLifetime))),
		"self_registration":   once(flag(&s.SelfRegistration)),
		"password_recovery":   once(flag(&s.PasswordRecovery)),
		"password_min_length": once(number(d, 1, 128, func(n int) { s.PasswordMinLength = n })),
		"password_max_age":    once(duration(d, declaredDuration(&s.PasswordMaxAge))),
		"lockout":             once(lockout(d, s)),
		"argon2":              once(argon2(d, s)),
	})
}

// lockout reads "off", or a number of attempts and perhaps a duration.
func lockout(d *caddyfile.Dispenser, s *declared.SignOn) func() error {
	return func() error {
		name := d.Val()
		if d.NextArg(); d.Val() == "off" {
			s.LockoutAttempts = -1
			return nil
		}
		n, err := strconv.Atoi(d.Val())
		if err != nil || n < 1 || n > 1000 {
			return d.Errf("option '%s' needs 'off', or a number of attempts from 1 to 1000", name)
		}
		s.LockoutAttempts = n
		if d.CountRemainingArgs() == 0 {
			return nil
		}
		v, err := nextDuration(d, name)
		s.LockoutDuration = declared.Duration(v)
		return err
	}
}

// argon2 reads a memory size, and perhaps passes and lanes.
func argon2(d *caddyfile.Dispenser, s *declared.SignOn) func() error {
	return func() error {
		name := d.Val()
		bytes, err := nextSize(d, name)
		if err != nil {
			return err
		}
		if bytes%1024 != 0 || bytes>>10 > 1<<21 {
			return d.Errf("option '%s': '%s' is not a number of KiB up to 2GiB", name, d.Val())
		}
		s.Argon2Memory = uint32(bytes >> 10)
		if d.CountRemainingArgs() > 0 {
			n, err := nextNumber(d, name, 1, 100)
			if err != nil {
				return err
			}
			s.Argon2Passes = uint32(n)
		}
		if d.CountRemainingArgs() > 0 {
			n, err := nextNumber(d, name, 1, 64)
			if err != nil {
				return err
			}
			s.Argon2Lanes = uint8(n)
		}
		return nil
	}
}

// number reads one whole number of a range.
func number(d *caddyfile.Dispenser, least, most int, to func(int)) func() error {
	return func() error {
		n, err := nextNumber(d, d.Val(), least, most)
		if err == nil {
			to(n)
		}
		return err
	}
}

// nextNumber reads the next argument of the named option as a whole number.
func nextNumber(d *caddyfile.Dispenser, name string, least, most int) (int, error) {
	if !d.NextArg() {
		return 0, d.Errf("option '%s' needs a number", name)
	}
	n, err := strconv.Atoi(d.Val())
	if err != nil || n < least || n > most {
		return 0, d.Errf("option '%s': '%s' is not a number from %d to %d", name, d.Val(), least, most)
	}
	return n, nil
}

func brandingBlock(d *caddyfile.Dispenser, env string, b *declared.Branding) error {
	if d.NextArg() {
		return d.Errf("environment %s: branding takes a block, not '%s'", env, d.Val())
	}
	return eachSubdirective(d, "branding", map[string]option{
		"name":     once(oneString(d, &b.Name)),
		"logo":     once(oneString(d, &b.Logo)),
		"color":    once(oneString(d, &b.Color)),
		"language": once(oneString(d, &b.Language)),
	})
}

func registrationBlock(d *caddyfile.Dispenser, env string, r *declared.Registration) error {
	if d.NextArg() {
		r.Mode = d.Val()
	}
	if d.NextArg() {
		return d.Errf("environment %s: client_registration: unexpected '%s' behind the mode", env, d.Val())
	}
	err := eachSubdirective(d, "client_registration", map[string]option{
		"token":   repeated(someStrings(d, &r.Tokens)),
		"scope":   repeated(someStrings(d, &r.Scopes)),
		"step_up": repeated(someStrings(d, &r.StepUp)),
		"documents": once(func() error {
			r.Documents, r.DocumentHosts = true, d.RemainingArgs()
			return nil
		}),
	})
	if err == nil && r.Mode == "" && !r.Documents {
		return d.Errf("environment %s: client_registration needs 'token' or 'open', or documents", env)
	}
	return err
}

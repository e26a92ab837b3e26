package registration

import (
	"slices"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// responseGrants are the response types and the grant types that each needs
// (RFC 7591 §2.1, OIDC Registration §2).
var responseGrants = map[string][]string{
	"code":                {oauth.GrantAuthorizationCode},
	"token":               {oauth.GrantImplicit},
	"id_token":            {oauth.GrantImplicit},
	"id_token token":      {oauth.GrantImplicit},
	"code id_token":       {oauth.GrantAuthorizationCode, oauth.GrantImplicit},
	"code token":          {oauth.GrantAuthorizationCode, oauth.GrantImplicit},
	"code id_token token": {oauth.GrantAuthorizationCode, oauth.GrantImplicit},
}

// grants reads grant_types and response_types, which have to agree.
func (j *judged) grants(env *store.Environment) {
	types, typesGiven := j.texts("response_types")
	grants, grantsGiven := j.texts("grant_types")
	types = j.forDocument(types, oauth.ResponseCode)
	grants = j.forDocument(grants, oauth.GrantAuthorizationCode, oauth.GrantRefreshToken)
	if !typesGiven && (!grantsGiven || slices.Contains(grants, oauth.GrantAuthorizationCode)) {
		types = []string{oauth.ResponseCode}
	}
	var needed []string
	for i, t := range types {
		parts := strings.Split(t, " ")
		slices.Sort(parts)
		types[i] = strings.Join(parts, " ")
		needs, ok := responseGrants[types[i]]
		if !ok || env.Strict && types[i] != oauth.ResponseCode {
			j.fail(invalid("response_types has a value that is not supported"))
			return
		}
		for _, g := range needs {
			needed = appendNew(needed, g)
		}
		for _, part := range parts {
			j.client.ResponseTypes = appendNew(j.client.ResponseTypes, part)
		}
	}
	if !grantsGiven {
		grants = needed
	}
	for _, g := range grants {
		switch g {
		case oauth.GrantAuthorizationCode, oauth.GrantImplicit:
			if !slices.Contains(needed, g) {
				j.fail(invalid("grant_types has %s, which no response type uses", g))
			}
		case oauth.GrantRefreshToken:
			if !slices.Contains(grants, oauth.GrantAuthorizationCode) {
				j.fail(invalid("grant_types has refresh_token without authorization_code"))
			}
		case oauth.GrantClientCredentials:
			// Acts without anybody who could consent, so somebody must have admitted it.
			if env.Registration.Mode != store.RegistrationToken || j.client.AuthMethod == oauth.AuthNone {
				j.fail(invalid("grant_types has client_credentials, which is not offered to this client"))
			}
		default:
			j.fail(invalid("grant_types has a value that is not supported"))
		}
		j.client.GrantTypes = appendNew(j.client.GrantTypes, g)
	}
	for _, g := range needed {
		if !slices.Contains(grants, g) {
			j.fail(invalid("grant_types lacks %s, which a response type needs", g))
		}
	}
	if len(j.client.GrantTypes) == 0 {
		j.fail(invalid("grant_types is empty"))
	}
	j.keep("grant_types", j.client.GrantTypes)
	j.keep("response_types", types)
}

// front reports whether the client uses the authorization endpoint.
func (j *judged) front() bool { return len(j.client.ResponseTypes) > 0 }

// kind chooses PingOne's application type.
func (j *judged) kind(native bool) {
	t := "web"
	switch {
	case native:
		t, j.client.Type = "native", store.NativeApp
	case !j.front():
		j.client.Type = store.Service
	case j.client.AuthMethod == oauth.AuthNone:
		j.client.Type = store.SinglePageApp
	default:
		j.client.Type = store.WebApp
	}
	j.keep("application_type", t)
}

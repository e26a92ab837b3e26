package oauth

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// ClaimsRequest is the claims parameter (OIDC Core §5.5): which single claims
// are asked for, and where. The zero value asks for none.
type ClaimsRequest struct {
	IDToken  map[string]ClaimRequest `json:"id_token,omitempty"`
	UserInfo map[string]ClaimRequest `json:"userinfo,omitempty"`
}

// ClaimRequest is one requested claim. Value and Values are what it should be;
// values that are not strings are left out of Values and never match.
type ClaimRequest struct {
	Essential bool     `json:"essential,omitempty"`
	Value     string   `json:"value,omitempty"`
	Values    []string `json:"values,omitempty"`
}

// Bounds of a claims parameter, and of one claim's name, in bytes.
const (
	maxClaimsRequest = 8 << 10
	maxClaims        = 100
	maxClaimName     = 256
	maxClaimValues   = 50
)

// ParseClaimsRequest reads a claims parameter. Members that OIDC Core does not
// define are ignored, as are claims nobody knows; the latter are kept, so that
// who has them can tell. "" asks for none. Errors are invalid_request: what is
// not of the defined shape, or beyond the bounds (8 KiB, 100 claims).
func ParseClaimsRequest(s string) (ClaimsRequest, error) {
	var c ClaimsRequest
	if s == "" {
		return c, nil
	}
	if len(s) > maxClaimsRequest || !utf8.ValidString(s) {
		return c, malformedClaims()
	}
	members, err := jsonObject([]byte(s))
	if err != nil {
		return c, err
	}
	if c.IDToken, err = claimRequests(members["id_token"]); err != nil {
		return ClaimsRequest{}, err
	}
	if c.UserInfo, err = claimRequests(members["userinfo"]); err != nil {
		return ClaimsRequest{}, err
	}
	return c, nil
}

func malformedClaims() *Error { return InvalidRequest("The parameter claims is malformed") }

// jsonObject splits an object into its members. Unlike a struct's fields, they
// have exact names.
func jsonObject(text []byte) (map[string]json.RawMessage, error) {
	if text = bytes.TrimSpace(text); len(text) == 0 || text[0] != '{' {
		return nil, malformedClaims()
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(text, &members) != nil {
		return nil, malformedClaims() // without the decoder's words, which may quote it
	}
	return members, nil
}

// claimRequests reads one of the two members. Absent, null and {} are the same.
func claimRequests(text json.RawMessage) (map[string]ClaimRequest, error) {
	if absent(text) {
		return nil, nil
	}
	members, err := jsonObject(text)
	if err != nil || len(members) > maxClaims {
		return nil, malformedClaims()
	}
	if len(members) == 0 {
		return nil, nil
	}
	claims := make(map[string]ClaimRequest, len(members))
	for name, text := range members {
		if name == "" || len(name) > maxClaimName {
			return nil, malformedClaims()
		}
		if claims[name], err = claimRequest(name, text); err != nil {
			return nil, err
		}
	}
	return claims, nil
}

// claimRequest reads what is asked of one claim: null, or an object.
func claimRequest(name string, text json.RawMessage) (ClaimRequest, error) {
	var c ClaimRequest
	if absent(text) {
		return c, nil
	}
	members, err := jsonObject(text)
	if err != nil {
		return c, err
	}
	if essential := members["essential"]; !absent(essential) && json.Unmarshal(essential, &c.Essential) != nil {
		return c, malformedClaims()
	}
	value, values := members["value"], members["values"]
	var list []json.RawMessage
	if !absent(values) && json.Unmarshal(values, &list) != nil || len(list) > maxClaimValues {
		return c, malformedClaims()
	}
	// These two decide who may sign on, and how. What can never match would look
	// like no demand at all once it is left out, so it is an error.
	decisive := name == "sub" || name == "acr"
	if !absent(value) && (json.Unmarshal(value, &c.Value) != nil || c.Value == "") && decisive {
		return c, malformedClaims()
	}
	for _, text := range list {
		var v string
		if json.Unmarshal(text, &v) == nil && v != "" && !absent(text) {
			c.Values = append(c.Values, v)
		}
	}
	if decisive && !absent(values) && len(c.Values) == 0 {
		return c, malformedClaims()
	}
	return c, nil
}

// absent reports whether a member is not there, or null, which says the same.
func absent(text json.RawMessage) bool { return len(text) == 0 || string(text) == "null" }

package oauth

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

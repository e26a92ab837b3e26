package oauth

import "strconv"

// ParseMaxAge reads a max_age in whole seconds (OIDC Core §3.1.2.1). It is digits
// and nothing else; "" is nil, which asks for nothing, unlike 0, which asks for a
// new sign-on. Errors are invalid_request.
func ParseMaxAge(s string) (*int64, error) {
	if s == "" {
		return nil, nil
	}
	const digits = 10 // 300 years
	bad := len(s) > digits
	for i := 0; i < len(s); i++ {
		bad = bad || s[i] < '0' || s[i] > '9'
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if bad || err != nil {
		return nil, InvalidRequest("The parameter max_age is not a number of seconds")
	}
	return &n, nil
}

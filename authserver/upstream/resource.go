package upstream

import (
	"fmt"
	"net/url"
	"strings"
)

// checkResource judges a resource indicator: an absolute URI without a fragment (RFC 8707 §2).
func checkResource(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || !u.IsAbs() || strings.Contains(raw, "#") {
		return fmt.Errorf("resource: %q is not an absolute URI without a fragment (RFC 8707 §2)", raw)
	}
	return nil
}

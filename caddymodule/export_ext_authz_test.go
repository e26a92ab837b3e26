package caddymodule

// CheckRequest is what was read of one.
type CheckRequest struct {
	Method, Path, Host, Scheme, Certificate string
	Headers                                 [][2]string
	Body                                    bool
}

// ParseCheckRequest is for the fuzzer.
func ParseCheckRequest(b []byte) (CheckRequest, error) {
	c, err := parseCheckRequest(b)
	out := CheckRequest{Method: c.method, Path: c.path, Host: c.host, Scheme: c.scheme, Certificate: c.certificate, Body: c.body}
	for _, h := range c.headers {
		out.Headers = append(out.Headers, [2]string{h.name, h.value})
	}
	return out, err
}

package main

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
)

// get is a ready-made GET request; token may be empty.
func get(host, path, token string) []byte {
	if token == "" {
		return getWith(host, path)
	}
	return getWith(host, path, "Authorization: Bearer "+token)
}

// getWith is a ready-made GET request with these header lines.
func getWith(host, path string, lines ...string) []byte {
	more := strings.Join(append(lines, ""), "\r\n")
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench\r\nAccept: */*\r\n%s\r\n", path, host, more)
}

// post is a ready-made form POST with HTTP Basic credentials, and more header lines.
func post(host, path, user, password string, form url.Values, lines ...string) []byte {
	body, more := form.Encode(), strings.Join(append(lines, ""), "\r\n")
	credentials := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench\r\nAccept: */*\r\nAuthorization: Basic %s\r\n"+
		"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n%s\r\n%s", path, host, credentials, len(body), more, body)
}

// gets is one GET for each token.
func gets(host, path string, tokens []string) [][]byte {
	requests := make([][]byte, len(tokens))
	for i, t := range tokens {
		requests[i] = get(host, path, t)
	}
	return requests
}

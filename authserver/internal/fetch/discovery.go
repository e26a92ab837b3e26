package fetch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
)

// metadata is what is used of an issuer's discovery document (RFC 8414 §2).
type metadata struct {
	JWKSURI               string
	IntrospectionEndpoint string
	TokenEndpoint         string
}

// discover gets the metadata of an issuer: the OpenID Provider's document first,
// then, where there is none, the authorization server's (RFC 8414 §3.1). A
// document that is there but is not the issuer's own ends the search.
func discover(ctx context.Context, c *Client, issuer string) (*metadata, error) {
	locations, err := discoveryURLs(issuer)
	if err != nil {
		return nil, err
	}
	for _, location := range locations {
		body, _, getErr := c.GetJSON(ctx, location)
		if getErr != nil {
			err = getErr
			if status, ok := errors.AsType[*StatusError](getErr); ok && status.Status >= 400 {
				continue
			}
			break // no use in asking the same host again
		}
		m, parseErr := parseMetadata(body, issuer, c.options)
		if parseErr != nil {
			return nil, fmt.Errorf("%s: %w", location, parseErr)
		}
		return m, nil
	}
	return nil, fmt.Errorf("discover %s: %w", issuer, err)
}

// discoveryURLs gives the two places of a discovery document. A slash at the
// issuer's end is left out of both (OpenID Connect Discovery §4.1, RFC 8414 §3.1).
func discoveryURLs(issuer string) ([]string, error) {
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("issuer %q is not an absolute URL", issuer)
	}
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	origin := u.Scheme + "://" + u.Host
	return []string{
		origin + path + "/.well-known/openid-configuration",
		origin + "/.well-known/oauth-authorization-server" + path,
	}, nil
}

// parseMetadata reads a discovery document. Its issuer must be byte for byte the
// one that was asked for (RFC 8414 §3.3), and every URL that is used must be one
// that could have been configured. Member names are exact: an upper-case twin is
// not read, a repeated member refuses the document.
func parseMetadata(b []byte, issuer string, o Options) (*metadata, error) {
	members, err := topLevel(b)
	if err != nil {
		return nil, fmt.Errorf("discovery document: %w", err)
	}
	got, err := stringMember(members, "issuer")
	if err != nil {
		return nil, err
	}
	if got != issuer {
		return nil, errors.New("discovery document: its issuer is not the configured one")
	}
	m := &metadata{}
	for name, field := range map[string]*string{
		"jwks_uri":               &m.JWKSURI,
		"introspection_endpoint": &m.IntrospectionEndpoint,
		"token_endpoint":         &m.TokenEndpoint,
	} {
		if *field, err = stringMember(members, name); err != nil {
			return nil, err
		}
		if *field == "" {
			continue
		}
		if _, err := o.CheckURL(*field); err != nil {
			return nil, fmt.Errorf("discovery document: %s: %w", name, err)
		}
	}
	return m, nil
}

// stringMember gives a member that is a string, "" when it is absent.
func stringMember(members map[string]json.RawMessage, name string) (string, error) {
	raw, ok := members[name]
	if !ok {
		return "", nil
	}
	var s *string
	if err := json.Unmarshal(raw, &s); err != nil || s == nil {
		return "", fmt.Errorf("discovery document: %s is not a string", name)
	}
	return *s, nil
}

// topLevel splits one JSON object into its members.
func topLevel(b []byte) (map[string]json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	members := make(map[string]json.RawMessage)
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return nil, errors.New("malformed JSON")
		}
		if _, twice := members[name]; twice {
			return nil, errors.New("a member is repeated")
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, errors.New("malformed JSON")
		}
		members[name] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, errors.New("malformed JSON")
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("data after the JSON object")
	}
	return members, nil
}

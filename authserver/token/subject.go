package token

import (
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// SubjectFor is the sub of a person in the ID tokens and UserInfo answers of a
// client: what is mapped to it, or the user's ID where nothing is. "" means that what
// is mapped has no value: then there is neither.
func SubjectFor(client *store.Client, user *store.User) string {
	if client.Subject == (store.Source{}) || client.Subject == store.SourceUserID {
		return user.ID
	}
	return subject(client.Subject, user)
}

// SubjectOf is the ID of the user whom an ID token of ours is about, whatever its sub
// is for the client.
func SubjectOf(c *jose.Claims) string {
	if unmapped, ok := c.Text(claimSubject); ok {
		return unmapped
	}
	return c.Subject
}

// noSubject is the answer where a person has no sub for the client.
func noSubject() error {
	return oauth.InvalidRequest("The application requires the claim sub, which has no value here")
}

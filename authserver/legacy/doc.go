// Package legacy answers the paths below /am of PingAM and PingOne Advanced
// Identity Cloud, so that old clients, scripts and resource servers work on when
// the host name is switched: signing on over REST, sessions, the token
// endpoints of /frrest, consented applications, and the names and shapes that
// OAuth 2 has there.
//
// It owns paths, realms, SSO tokens, shapes and the two error dialects: CREST
// below /json and /frrest, OAuth below /oauth2. What is true of tokens, people
// and sessions is judged where it always is; here it is translated and handed on.
// Every answer is marked as deprecated (RFC 9745, RFC 8594).
//
// One line of the server's routes.go switches it on, and no other package knows
// that it exists. Start reading at legacy.go and route.go.
package legacy

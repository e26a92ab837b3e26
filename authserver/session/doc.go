// Package session keeps people signed on: the session behind the cookie ST, its
// idle and absolute life, and the applications that took part in it.
//
// A session has two names. The sid is public: it is in tokens and lists, and
// stays the same for the session's whole life. The cookie's value is a secret of
// 256 bits that changes whenever somebody proves who they are; the store knows
// its hash alone.
//
// It leaves how somebody proves who they are to identity, and what ends with a
// session to logout. OIDC Core §2 (auth_time, acr, amr), OIDC Session
// Management, RFC 6265. Start reading at Sessions.Read.
package session

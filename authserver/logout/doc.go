// Package logout ends sessions and everything that hangs on them, and tells the
// clients: by back-channel logout tokens, queued and retried, and by the list of
// addresses that a page loads for front-channel logout. It also judges the ID
// token with which a client asks for it.
//
// It leaves the session itself to session, asking the person and the redirect to
// endpoint, and the pages to ui. OIDC RP-Initiated Logout, Back-Channel Logout,
// Front-Channel Logout. Start reading at Ender.End.
package logout

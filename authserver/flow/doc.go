// Package flow is the sign-on itself: one state machine with two faces, the
// hosted pages (ui) and PingOne's flows API (endpoint). It decides what a person
// must do next for an authorization request, lets them do it, and says when the
// request can be answered.
//
// A flow is kept by the store and belongs to the browser that began it: nobody
// else finds it. Each action is a row of one table (machine.go); what comes after
// it is decided in one place (needs.go), from the session, the request, the
// client and the consents as they are at that moment.
//
// It leaves proving who somebody is to identity, sessions to session, and the
// answer to authorize. OIDC Core §3.1.2.3–4. Start reading at Engine.Start.
package flow

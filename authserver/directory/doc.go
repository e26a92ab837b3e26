// Package directory knows the objects of an environment that can be managed:
// applications, resources and what belongs to them, populations, role
// assignments, key rotation policies, webhooks, and environments themselves.
//
// Each kind has a Document, which is what the object says in the words of
// PingOne's API, how it is judged, and what it comes to for the protocols. Live
// shows what is built in, what configuration declares and what is stored as one
// directory; it is the store.Directory of a server. Writer changes what is
// stored: each change is checked, written together with its line of the audit
// log and its messages to webhooks, and ends the tokens that it should end.
//
// It leaves HTTP, and who may do what, to management and access. Start reading
// at Writer.
package directory

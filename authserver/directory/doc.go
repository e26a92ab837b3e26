// Package directory knows the objects of an environment that can be managed:
// applications, resources and what belongs to them, populations, role
// assignments, key rotation policies, webhooks, and environments themselves.
//
// Each kind has a Document, which is what the object says in the words of
// PingOne's API, how it is judged, and what it comes to for the protocols; kinds.go
// lists them. Live shows what is built in, what configuration declares, what is stored and which clients
// registered themselves as one directory; it is the store.Directory of a server. Writer changes what is
// stored: each change is checked, written together with its line of the audit
// log and its messages to webhooks, and ends the tokens that it should end.
//
// Two changes of one object at the same time are both made, one after the other, so that the last one
// counts; one that names the version that it is a change of is refused where that is not the object's any more.
// Changes are decided by what is there when they are stored: who meets another change decides anew. No object
// names one that is gone (naming.go), and no two have what only one may have.
//
// It leaves HTTP, and who may do what, to management and access. Start reading
// at Writer.
package directory

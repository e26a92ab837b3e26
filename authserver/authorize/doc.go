// Package authorize reads authorization requests, judges them, and answers them.
//
// A request comes from the query, a form, a signed object or a pushed reference
// and becomes one Request by one ordered table of checks (checks.go); each rule is
// in the file of its parameter. Only the check of redirect_uri can make a ReplyTo,
// and only an error holding one is sent there. Issuer makes what a response type
// promises, and Response.Write puts it where the response mode says.
//
// It leaves who the person is, and whether they agree, to flow. RFC 6749 §4.1,
// §4.2, OIDC Core §3, §5.5, §6, RFC 7636, RFC 8252, RFC 9101, RFC 9126, RFC 9207.
// Start reading at Reader.Read, then checks.go.
package authorize

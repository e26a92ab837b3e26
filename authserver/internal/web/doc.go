// Package web is what happens around every endpoint: methods, CORS, caching,
// correlation ids, capped form bodies, and the one place where an error becomes
// a response and a log line.
//
// It leaves routing to authserver and every protocol rule to the endpoints.
// RFC 9110, RFC 9111, the Fetch standard. Start reading at Handle.
package web

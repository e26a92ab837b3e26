// Package endpoint holds the protocol endpoints, one file each, named as in the
// server's metadata. Each reads parse → authenticate → validate → act → respond,
// writes nothing before it is sure of success, and returns its error.
//
// Methods, CORS, caching, correlation ids, logs and error bodies are web's;
// paths are authserver's. RFC 6749, RFC 7009, RFC 7517, RFC 7662, RFC 8414.
// Start reading at Token.
package endpoint

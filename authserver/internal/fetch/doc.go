// Package fetch makes every outbound request of the module: address rules,
// size and time caps, no redirects, and cached JWK Sets over it.
package fetch

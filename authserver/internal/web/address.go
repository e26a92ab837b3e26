package web

import (
	"net"
	"net/http"
	"net/netip"
)

// Address is the client's address as the host tells it, or, where told is nil, that of the connection.
func Address(told func(*http.Request) string, r *http.Request) string {
	if told != nil {
		return told(r)
	}
	return RemoteAddress(r)
}

// RemoteAddress is the address, without port and zone, of whoever is connected;
// "" on a Unix socket. No header is believed: a host behind proxies that it
// trusts knows better.
func RemoteAddress(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return ""
	}
	return a.Unmap().WithZone("").String()
}

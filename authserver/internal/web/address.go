package web

import (
	"net"
	"net/http"
	"net/netip"
)

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

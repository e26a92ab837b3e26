package limit

import "net/netip"

// Address is the key for a client's address (without port): an IPv4 address as it is, of an IPv6
// address the first 64 bits, since whoever has one address there has them all
// (RFC 4291 §2.5.4). Anything else is a key of its own text.
func Address(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	a = a.Unmap().WithZone("")
	if a.Is4() {
		return a.String()
	}
	p, _ := a.Prefix(64) // cannot fail: it is IPv6
	return p.String()
}

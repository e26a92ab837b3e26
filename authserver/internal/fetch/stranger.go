package fetch

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
)

// reserved are the networks that are global unicast by their bits, and still not
// the public Internet: shared, test and benchmark space, and the ways in which an IPv6
// address carries an IPv4 one that would be reached in its place (RFC 6890,
// RFC 3056, RFC 4380).
var reserved = prefixes(
	"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
	"198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
	"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
)

// assigned is all of IPv6 that the public Internet has (RFC 4291 §2.4, IANA's registry). Of what is beside it, most is nothing yet, and the rest
// leads elsewhere: translated and compatible IPv4 addresses (RFC 2765, RFC 6052, RFC 8215), segments, site-local ones.
var assigned = netip.MustParsePrefix("2000::/3")

func prefixes(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, t := range texts {
		list[i] = netip.MustParsePrefix(t)
	}
	return list
}

// reachable reports whether a request to an address that a stranger named may go
// to a.
func (o Options) reachable(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	within := func(p netip.Prefix) bool { return p.Contains(a) }
	if slices.ContainsFunc(o.StrangerNetworks, within) {
		return true
	}
	if a.Is6() && !assigned.Contains(a) {
		return false
	}
	return a.IsGlobalUnicast() && !a.IsPrivate() && !slices.ContainsFunc(reserved, within)
}

// ErrNotPublic is why a stranger's address was not contacted.
var ErrNotPublic = errors.New("the address is not on the public Internet")

// dialStranger judges the address of a connection before it is made, whatever a
// name resolved to this time.
func (o Options) dialStranger(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil || !o.reachable(ap.Addr()) {
		return ErrNotPublic
	}
	return nil
}

// checkStrangerHost judges a host as far as that is possible without asking a
// resolver: addresses, what some resolvers read as an address, and names of this
// machine.
func (o Options) checkStrangerHost(u *url.URL) error {
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	if addr, err := netip.ParseAddr(host); err == nil {
		if !o.reachable(addr) {
			return fmt.Errorf("%q is not on the public Internet", u.Host)
		}
		return nil
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	switch {
	case last == "localhost":
		if !o.reachable(netip.AddrFrom4([4]byte{127, 0, 0, 1})) {
			return fmt.Errorf("%q is not on the public Internet", u.Host)
		}
	case last == "" || '0' <= last[0] && last[0] <= '9':
		// Decimal, octal and hexadecimal spellings of addresses; no top-level domain begins like that.
		return fmt.Errorf("%q is not a host name", u.Host)
	}
	return nil
}

// Limited is c with another limit on the size of answers, in bytes. It is closed with c.
func (c *Client) Limited(maxBody int64) *Client {
	l := *c
	l.options.MaxBody = maxBody
	return &l
}

// Strangers is the client for addresses that a stranger has named, such as
// those of a client that registered itself: it connects to the public Internet
// and to Options.StrangerNetworks alone, judged at each connection. It is
// closed with c.
func (c *Client) Strangers() *Client { return c.strangers }

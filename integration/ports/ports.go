package ports

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
)

// The ports given out are from first on. None is one that Linux or macOS takes by itself, for a
// connection or for port 0. Those from first+count on are never listened at: they say who has a port.
const (
	first = 12000
	count = 4000
)

// Taken are ports that this process has, until they are released or it ends.
type Taken struct {
	Numbers []int

	holds []net.PacketConn
}

// held are those that have not been released: a socket that nobody refers to would be closed.
var held = struct {
	sync.Mutex
	all map[*Taken]struct{}
}{all: map[*Taken]struct{}{}}

// Take finds n ports of 127.0.0.1 that nobody listens at, TCP or UDP, and that no other taker in
// any process on this machine is given before they are released.
func Take(n int) (*Taken, error) {
	t := &Taken{}
	held.Lock()
	held.all[t] = struct{}{}
	held.Unlock()
	at := rand.IntN(count)
	for range count {
		at = (at + 1) % count
		if hold := hold(first + at); hold != nil {
			t.Numbers, t.holds = append(t.Numbers, first+at), append(t.holds, hold)
		}
		if len(t.Numbers) == n {
			return t, nil
		}
	}
	t.Release()
	return nil, fmt.Errorf("no %d ports are free from %d to %d", n, first, first+count-1)
}

// hold takes a port, or gives nil where somebody has it. A socket, as opposed to a file, is given
// up with the process that has it, however that ends.
func hold(port int) net.PacketConn {
	hold, err := net.ListenPacket("udp4", address(port+count))
	if err != nil {
		return nil
	}
	tcp, err := net.Listen("tcp4", address(port))
	if err == nil {
		var udp net.PacketConn
		if udp, err = net.ListenPacket("udp4", address(port)); err == nil {
			err = udp.Close()
		}
		err = errors.Join(err, tcp.Close())
	}
	if err != nil {
		_ = hold.Close() // nothing was sent
		return nil
	}
	return hold
}

func address(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// Release gives the ports back. It may be called several times, and of none.
func (t *Taken) Release() {
	if t == nil {
		return
	}
	held.Lock()
	defer held.Unlock()
	delete(held.all, t)
	for _, h := range t.holds {
		_ = h.Close() // nothing was sent
	}
	t.holds = nil
}

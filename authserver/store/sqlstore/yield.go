package sqlstore

import "os"

// networkTurn lets a goroutine step behind everything that the network has
// brought already. runtime.Gosched cannot do that: while any goroutine is
// runnable, the one that yielded among them, the scheduler does not look at the
// network. So the goroutine waits for a byte that it sends itself through
// a pipe, which the scheduler's poller reports after the connections that were
// readable before. Where nothing waits this takes a few microseconds.
//
// It has one user at a time. A nil one, where there are no such pipes, does nothing.
type networkTurn struct{ in, out *os.File }

func newNetworkTurn() *networkTurn {
	out, in, err := os.Pipe()
	if err != nil {
		return nil
	}
	return &networkTurn{in: in, out: out}
}

// yield returns when it is this goroutine's turn again.
func (t *networkTurn) yield() {
	if t == nil {
		return
	}
	raw, err := t.out.SyscallConn()
	if err != nil {
		return
	}
	// The byte is sent once the poller has been told to wait, lest there be
	// nothing to wait for. A pipe that cannot be polled has it at once.
	sent := false
	_ = raw.Read(func(uintptr) bool {
		if sent {
			return true
		}
		n, _ := t.in.Write([]byte{0})
		sent = n == 1
		return !sent
	})
	if sent {
		_, _ = t.out.Read(make([]byte, 1)) // it is there
	}
}

func (t *networkTurn) close() {
	if t != nil {
		_, _ = t.in.Close(), t.out.Close()
	}
}

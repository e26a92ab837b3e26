package main

import (
	"io"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// poller waits for many connections at once with epoll. Go's own way, a
// goroutine for each, costs about twice as many system calls for a request, and the
// load has to be lighter than the lightest server.
type poller struct {
	fd    int
	seen  []unix.EpollEvent
	ready []int
}

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	return &poller{fd: fd, seen: make([]unix.EpollEvent, 64)}, nil
}

// add watches a descriptor for input; id comes back from wait.
func (p *poller) add(fd, id int) error {
	return unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(id)})
}

// wait gives the ids whose descriptors have input, none after the timeout. The
// slice is valid until the next call.
//
// Raw system calls, here and below, keep the Go scheduler out: it would take a
// waiting thread's P away and start another thread for it, thousands of times a
// second. When it does need the thread, its signal ends the wait.
func (p *poller) wait(timeout time.Duration) ([]int, error) {
	ms := max(0, int((timeout+time.Millisecond-1)/time.Millisecond))
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd),
		uintptr(unsafe.Pointer(&p.seen[0])), uintptr(len(p.seen)), uintptr(ms), 0, 0)
	p.ready = p.ready[:0]
	switch errno {
	case 0:
	case unix.EINTR:
		return p.ready, nil
	default:
		return p.ready, errno
	}
	for _, e := range p.seen[:n] {
		p.ready = append(p.ready, int(e.Fd))
	}
	return p.ready, nil
}

func (p *poller) close() { _ = unix.Close(p.fd) }

// readNow reads what has arrived into buf, which must not be empty: 0 bytes
// without an error when there is nothing.
func readNow(fd int, buf []byte) (int, error) {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)))
	switch {
	case errno == unix.EAGAIN || errno == unix.EINTR:
		return 0, nil
	case errno != 0:
		return 0, errno
	case n == 0:
		return 0, io.EOF
	}
	return int(n), nil
}

// writeNow writes a small message, which an idle connection takes at once.
func writeNow(fd int, message []byte) (int, error) {
	for {
		n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&message[0])), uintptr(len(message)))
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}

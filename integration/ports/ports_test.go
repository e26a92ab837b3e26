package ports_test

import (
	"fmt"
	"net"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/integration/ports"
)

func take(t *testing.T, n int) *ports.Taken {
	t.Helper()
	taken, err := ports.Take(n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(taken.Release)
	return taken
}

func TestNoPortIsGivenTwice(t *testing.T) {
	seen := map[int]bool{}
	for range 100 {
		for _, port := range take(t, 10).Numbers {
			if seen[port] {
				t.Fatalf("port %d was given twice", port)
			}
			seen[port] = true
		}
	}
}

func TestPortsAreFree(t *testing.T) {
	for _, port := range take(t, 20).Numbers {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		u, err := net.ListenPacket("udp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			t.Fatal(err)
		}
		u.Close()
	}
}

func TestReleasedPortsAreGivenAgain(t *testing.T) {
	// More than there are, if none came back.
	for range 45 {
		taken, err := ports.Take(100)
		if err != nil {
			t.Fatal(err)
		}
		taken.Release()
		taken.Release()
	}
}

func TestTooManyPorts(t *testing.T) {
	if taken, err := ports.Take(1 << 16); err == nil {
		t.Errorf("%d ports were given, want an error", len(taken.Numbers))
	}
	take(t, 1) // what it had taken by then was given back
}

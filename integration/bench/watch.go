package main

import "time"

// watchMemory looks at the memory of a process until it is asked for the
// most that it has seen, in bytes.
func watchMemory(pid int) (peak func() float64) {
	stop, most := make(chan struct{}), make(chan float64)
	go func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		seen := 0.0
		for {
			if now, err := residentBytes(pid); err == nil { // a process that has gone is seen by others
				seen = max(seen, now)
			}
			select {
			case <-stop:
				most <- seen
				return
			case <-tick.C:
			}
		}
	}()
	return func() float64 {
		close(stop)
		return <-most
	}
}

package main

import (
	"time"

	"golang.org/x/sys/unix"
)

// cpuTime is the processor time that a process has used, by its CPU clock: user
// and system, all threads, in nanoseconds. ok is false when it cannot be read.
func cpuTime(pid int) (t time.Duration, ok bool) {
	// The kernel's clock id of another process: the complement of the pid beside
	// the number of the scheduler's clock (see clock_getcpuclockid(3)).
	const schedulerClock = 2
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|schedulerClock), &ts); err != nil {
		return 0, false
	}
	return time.Duration(ts.Nano()), true
}

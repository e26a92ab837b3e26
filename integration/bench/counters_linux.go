package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// cpuTime is the processor time that a process has used, by its CPU clock: user
// and system, all threads. It is 0 when it cannot be read.
func cpuTime(pid int) time.Duration {
	// The kernel's clock id of another process: the complement of the pid beside
	// the number of the scheduler's clock (see clock_getcpuclockid(3)).
	const schedulerClock = 2
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|schedulerClock), &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

// heldUp is how long the threads of a process have been ready to run and were
// not running so far: on a core of its own, because others used it.
func heldUp(pid int) time.Duration {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid)) // the pattern is good
	var sum time.Duration
	for _, path := range tasks {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // the thread has ended
		}
		var running, waiting int64
		if _, err := fmt.Sscan(string(text), &running, &waiting); err == nil {
			sum += time.Duration(waiting)
		}
	}
	return sum
}

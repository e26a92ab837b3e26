package main

import (
	"os"
	"os/exec"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// allCores is what this process was allowed to use when it started.
var allCores = func() unix.CPUSet {
	var set unix.CPUSet
	_ = unix.SchedGetaffinity(0, &set) // an empty set makes cores() report none
	return set
}()

// cores lists the usable cores' numbers.
func cores() []int {
	var list []int
	for i := 0; len(list) < allCores.Count(); i++ {
		if allCores.IsSet(i) {
			list = append(list, i)
		}
	}
	return list
}

func setOf(cpus []int) unix.CPUSet {
	var set unix.CPUSet
	for _, c := range cpus {
		set.Set(c)
	}
	return set
}

// pinSelf moves every thread of this process to cpus. Threads made later inherit
// it; one made meanwhile is caught by the next pass.
func pinSelf(cpus []int) error {
	set := setOf(cpus)
	for range 3 {
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return err
		}
		for _, t := range tasks {
			tid, err := strconv.Atoi(t.Name())
			if err != nil {
				continue
			}
			if err := unix.SchedSetaffinity(tid, &set); err != nil && err != unix.ESRCH {
				return err
			}
		}
	}
	return nil
}

// startOn starts cmd on cpus: a child inherits the affinity of the thread that
// forks it. However this process ends, the child ends with it, paused or not.
func startOn(cmd *exec.Cmd, cpus []int) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return err
	}
	set := setOf(cpus)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return err
	}
	defer func() { _ = unix.SchedSetaffinity(0, &before) }()
	cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	return cmd.Start()
}

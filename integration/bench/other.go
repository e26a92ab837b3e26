//go:build !linux

package main

import (
	"errors"
	"os/exec"
	"runtime"
	"time"
)

// Elsewhere than on Linux nothing can be pinned or polled the way the
// benchmark does it, and the first of these to be used says so.
var errLinuxOnly = errors.New("the benchmark runs on Linux only")

func cores() []int { return make([]int, runtime.NumCPU()) }

func pinSelf([]int) error { return errLinuxOnly }

func startOn(*exec.Cmd, []int) error { return errLinuxOnly }

func cpuTime(int) time.Duration { return 0 }

func heldUp(int) time.Duration { return 0 }

func openFiles() int { return 0 }

type poller struct{}

func newPoller() (*poller, error) { return nil, errLinuxOnly }

func (p *poller) add(int, int) error { return errLinuxOnly }

func (p *poller) wait(time.Duration) ([]int, error) { return nil, errLinuxOnly }

func (p *poller) close() {}

func readNow(int, []byte) (int, error) { return 0, errLinuxOnly }

func writeNow(int, []byte) (int, error) { return 0, errLinuxOnly }

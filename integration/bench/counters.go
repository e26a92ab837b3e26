package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// errNotCounted: this machine has no counters, or perf is not installed or not
// allowed to read them.
var errNotCounted = errors.New("not counted")

// countsInstructions reports whether perf can count instructions here.
func countsInstructions() bool {
	out, err := exec.Command("perf", "stat", "-x,", "-e", instructionEvent, "true").CombinedOutput()
	if err != nil {
		return false
	}
	_, err = perfCount(out)
	return err == nil
}

// instructionEvent counts what the server itself executes, not the kernel for it.
const instructionEvent = "instructions:u"

// instructionsPerRequest attaches perf to a server while n requests are sent to it.
func instructionsPerRequest(s *served, n int) (float64, error) {
	cmd := exec.Command("perf", "stat", "-x,", "-e", instructionEvent, "-p", strconv.Itoa(s.server.pid()))
	var out bytes.Buffer
	cmd.Stderr = &out
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	time.Sleep(150 * time.Millisecond) // perf attaches to every thread; an idle server adds nothing meanwhile
	sendErr := s.load.count(n)
	_ = cmd.Process.Signal(syscall.SIGINT) // how perf is told to print
	_ = cmd.Wait()                         // it ends by that signal, which is no failure
	if sendErr != nil {
		return 0, sendErr
	}
	count, err := perfCount(out.Bytes())
	if err != nil {
		return 0, err
	}
	return count / float64(n), nil
}

// perfCount reads the count out of perf's comma-separated output.
func perfCount(out []byte) (float64, error) {
	for line := range strings.Lines(string(out)) {
		fields := strings.Split(line, ",")
		if len(fields) < 3 {
			continue
		}
		count, err := strconv.ParseFloat(fields[0], 64)
		if err != nil {
			return 0, errNotCounted // "<not supported>"
		}
		return count, nil
	}
	return 0, errNotCounted
}

// residentBytes is the memory of a process that is in RAM (VmRSS).
func residentBytes(pid int) (float64, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		rest, found := strings.CutPrefix(lines.Text(), "VmRSS:")
		if !found {
			continue
		}
		kib, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 64)
		return kib * 1024, err
	}
	return 0, errNotCounted
}

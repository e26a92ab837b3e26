package main

import "syscall"

// openFiles is how many files a process may have open. Go has raised what it can already, here and in the servers.
func openFiles() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return int(min(limit.Cur, 1<<30))
}

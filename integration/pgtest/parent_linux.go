package pgtest

import (
	"runtime"
	"syscall"
)

// dieWithParent lets the server end with the tests, even if they are killed.
func dieWithParent(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGQUIT }

// lockThread keeps the starting thread alive as long as its goroutine.
func lockThread() (unlock func()) {
	runtime.LockOSThread()
	return runtime.UnlockOSThread
}

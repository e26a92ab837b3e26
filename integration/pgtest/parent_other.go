//go:build !linux

package pgtest

import "syscall"

func dieWithParent(*syscall.SysProcAttr) {}

func lockThread() (unlock func()) { return func() {} }

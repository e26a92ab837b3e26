package main

import (
	"fmt"
	"os/exec"
	"runtime"
)

// placement says who runs where: the measured server alone on one core,
// everything else on another.
type placement struct {
	all          []int
	server, load []int
}

func newPlacement() (placement, error) {
	all := cores()
	if len(all) < 2 {
		return placement{}, fmt.Errorf("needs two cores, has %d: a server and its load on one core measure each other", len(all))
	}
	return placement{all: all, server: all[:1], load: all[1:2]}, nil
}

// settle moves this process to the load's core. The thread that makes the load never
// waits, so that what else happens here, as the foreign issuer, needs Ps of its own.
func (p placement) settle() error {
	runtime.GOMAXPROCS(4)
	return pinSelf(p.load)
}

// spread runs work on every core, between measures, and settles again.
func (p placement) spread(work func() error) error {
	if err := pinSelf(p.all); err != nil {
		return err
	}
	runtime.GOMAXPROCS(len(p.all))
	err := work()
	if settleErr := p.settle(); err == nil {
		err = settleErr
	}
	return err
}

// run runs a command that is not measured (a compiler) on every core.
func (p placement) run(cmd *exec.Cmd) error {
	if err := startOn(cmd, p.all); err != nil {
		return err
	}
	return cmd.Wait()
}

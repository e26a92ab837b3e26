package resourceserver

// Settle waits until what was remembered can be found: writing to a cache takes
// effect a little later.
func (v *Verifier) Settle() {
	v.good.Wait()
	v.bad.Wait()
}

// Watching is how many exchanges are being watched.
func (v *Verifier) Watching() int { return v.watch.watching() }

// Watches reports whether there is a goroutine that looks after exchanges.
func (v *Verifier) Watches() bool { return v.watch.running.Load() }

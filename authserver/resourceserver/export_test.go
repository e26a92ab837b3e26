package resourceserver

// Settle waits until what was remembered can be found: writing to a cache takes
// effect a little later.
func (v *Verifier) Settle() {
	v.good.Wait()
	v.bad.Wait()
}

package fetch

// DialStranger is the judgement at connect time.
func DialStranger(o Options, address string) error { return o.dialStranger("tcp", address, nil) }

// Settle waits until no load is under way, for a caller that alone asks for keys.
func (s *KeySource) Settle() {
	s.keys.wg.Wait()
	s.discovery.wg.Wait()
}

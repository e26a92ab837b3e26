package fetch

// DialStranger is the judgement at connect time.
func DialStranger(o Options, address string) error { return o.dialStranger("tcp", address, nil) }

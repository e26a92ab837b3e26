package jose

// Limits bounds what is read from a stranger, before anything is decoded. Zero
// fields mean the defaults.
type Limits struct {
	Size    int // bytes of the compact form, or of the JSON; default 16384
	Depth   int // JSON nesting; default 16
	Members int // JSON members and elements in all; default 2000
}

func (l Limits) withDefaults() Limits {
	if l.Size <= 0 {
		l.Size = 16384
	}
	if l.Depth <= 0 {
		l.Depth = 16
	}
	if l.Members <= 0 {
		l.Members = 2000
	}
	return l
}

// maxName bounds kid and typ in bytes: far above any in use, far below what
// would be a nuisance in a log line or a map.
const maxName = 256

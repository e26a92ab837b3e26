package directory

// Bounds of what a Live keeps.
const (
	MaxRooms = maxRooms
	MaxAll   = maxAll
)

// Keep has l keep a value, as a lookup does, and says how much it then keeps.
func Keep(l *Live, environment string, version int64, key string, v any) (kept any, rooms, values int) {
	kept = l.keep(environment, version, key, v)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.rooms {
		values += len(r.made)
	}
	if values != l.all {
		panic("the values are miscounted")
	}
	return kept, len(l.rooms), values
}

package management

// SealCursor makes a cursor whose sum is right, of any place: what somebody can
// make who has read this package.
func SealCursor(after, binding string) string { return sealCursor(after, binding) }

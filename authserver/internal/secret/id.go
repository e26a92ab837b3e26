package secret

import "github.com/google/uuid"

// NewID is a new identifier: a UUID in lower case that sorts by the time it was
// made (RFC 9562 §5.7), so that stores insert at the end of their indexes. It is
// unique, and not a secret: part of it is the clock.
func NewID() string {
	return uuid.Must(uuid.NewV7()).String() // fails only with the system's generator
}

package notify

import "context"

// Kind of a message.
type Kind string

const (
	RecoveryCode     Kind = "recovery_code"
	VerificationCode Kind = "verification_code"
)

// Message is one message to one person.
type Message struct {
	Kind   Kind
	To     string // e-mail address
	Name   string // of the person; may be empty
	Brand  string // of the environment
	Locale string // BCP 47; "en" where it is none of ours
	Code   string
}

// Notifier sends messages. Implementations are safe for concurrent use and
// honour ctx. Their errors name neither the address nor the code.
type Notifier interface {
	Send(ctx context.Context, m Message) error
}

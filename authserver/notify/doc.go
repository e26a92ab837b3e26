// Package notify brings codes to people: by SMTP, or, for development, into an
// outbox directory that a developer can read.
//
// It leaves which codes and when to identity. Where there is no Notifier,
// identity offers neither recovery nor verification. It alone imports
// github.com/wneessen/go-mail. RFC 5321, RFC 5322, RFC 3207 (STARTTLS),
// RFC 3834 (automatic messages). Start reading at Notifier.
package notify

// Package webhook tells those who subscribed what was changed: signed messages
// over HTTPS, repeated until they are taken or too old.
//
// Start reading at Webhooks.Run.
package webhook

// Package outbox works through a queue of store.Deliveries: at once where it can,
// again with growing pauses where the receiver fails, given up in the end. A
// delivery arrives at least once, in no order: a receiver that was told twice, or
// late, sees it by what the message says.
//
// What is sent, and how, is its callers' business. Start reading at Outbox.Run.
package outbox

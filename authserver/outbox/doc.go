// Package outbox works through a queue of store.Deliveries: at once where it can,
// again with growing pauses where the receiver fails, given up in the end.
//
// What is sent, and how, is its callers' business. Start reading at Outbox.Run.
package outbox

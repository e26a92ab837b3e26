// Package webhook tells those who subscribed what was changed: signed messages
// over HTTPS (Standard Webhooks 1.0.0), repeated until they are taken or a day old.
//
// A message is the line of the audit log as PingOne's API shows it, with the documents before and after. It is
// queued in the transaction of the change, so that there is one for each change that was made, and none for any other.
// It arrives at least once and in no order: webhook-id is the same at each attempt, and by the activity's id
// messages are in the order of the changes. Every 2xx is good; 410 gives the message up, anything else has it tried again.
//
// Whoever may subscribe does not run the server, so their addresses are contacted on the public Internet alone (see
// fetch.Client.Strangers). Who may be told of what is management's business. Start reading at Webhooks.Deliveries.
package webhook

// Package scim reads the filters of the management API: a part of SCIM's filter
// language (RFC 7644 §3.4.2.2), with PingOne's operators.
//
// It knows no attribute: callers say which there are. Start reading at Parse.
package scim

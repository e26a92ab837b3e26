// Package transfer moves what is managed in an environment from one server to
// another, as one file of JSON lines that can be kept in version control.
//
// It leaves HTTP to management and files to the host. Start reading at Transfer.
package transfer

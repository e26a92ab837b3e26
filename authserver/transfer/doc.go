// Package transfer moves what is managed in an environment from one server to
// another, as one file of JSON lines that can be kept in version control.
//
// # The file
//
// The first line names the format and the environment, the last one is {"end":true}: a file without it was cut
// off, and is refused. In between is a line for each object,
//
//	{"kind":"scope","id":"…","parent":"…","document":{…},"sealed":"…"}
//
// kind by kind in the order of levels, so that what is referred to comes before what refers to it, and by ID within a kind.
// Documents are those of package directory, in the words of PingOne's API. There are no times in them but those that
// mean something, so that two exports of the same environment are the same file. What is built in is there
// where it was changed, what configuration declares only on request. Not in a file: clients that registered themselves, sessions,
// tokens, consents, the audit log, and the environment's own settings.
//
// Secrets are left out, or sealed with the server's secrets key: each for its environment, kind and ID, so that nothing in
// a file can be given to another object. Whoever may import into some environment of such a server can read them there: a file
// with secrets is kept as they are. Sealing draws a random nonce, so those parts differ between exports.
//
// # The import
//
// An import makes the environment what the file says, by ID. The file is first read to its end, onto disk without a name, and
// everything checked that it alone tells; until then nothing is written. Then objects are compared with what is there,
// and those that differ are written in transactions of 500, kind by kind, each with its line of the audit log, its
// webhooks, and the end of the tokens that it ends. With Prune what the file does not have is deleted before, after a run in
// which nothing is written has found no fault.
//
// An import that fails, or whose caller goes away, leaves whole transactions: what came before the line that it names is as
// the file says, but for at most 500 objects before it, and what comes behind that as it was. Nothing is taken back. The same
// file can be imported again: what is as it says is left alone.
//
// The IDs of what every environment has follow from the environment's; into another environment they are changed wherever
// a document names them, and so are the IDs of the environment and its organization. A signing key that moves signs from
// then on, and the one that it replaces is published until what it signed has expired.
//
// Memory does not grow with a file but for some 40 bytes for each object, by which it is known what the file has.
//
// It leaves HTTP to management and files to the host. Start reading at Transfer.
package transfer

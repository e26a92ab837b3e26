// Package identity knows people: declared ones and stored ones, their passwords,
// what happens when a password is wrong too often, and how an account is
// registered, verified and recovered.
//
// A user who does not exist and a wrong password cannot be told apart, neither
// by text nor by time: for every name the same hash is computed and the same
// questions are put to the store. A wrong guess of a real name is written down
// in the store; for a name that nobody has, one of a few decoy records per environment is
// written instead, since a database that keeps what strangers type could be
// filled by them. How often such a name was guessed is kept in memory, bounded
// and per process: it locks as an account does. On several nodes it may
// take a few guesses more, as it may after a restart. Lockouts of accounts are in the
// store, so they hold on every node. What takes another time is a declared PHC string
// of another cost than the environment's, until its user has signed on once: then a hash of
// the environment's cost is kept beside it. The same holds for passwords that were hashed elsewhere and
// brought along by an administrator ({BCRYPT}…, see Encoded): until its owner has signed on for the first time, an answer takes
// as much longer as that hash does, which is nothing for a salted digest; then an argon2id hash takes its place.
//
// What an administrator does to an account (administer.go) is an Edit, which package directory
// stores together with its line of the audit log; that an account is locked or may not sign on is told to nobody who
// tries.
//
// It leaves sessions to session and sending to notify. It alone imports
// golang.org/x/crypto/argon2. RFC 9106 (argon2id), RFC 8265 (passwords and names
// in Unicode), NIST SP 800-63B. Start reading at Users.CheckPassword.
package identity

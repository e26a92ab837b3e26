// Package secret owns values that must not be guessed, leaked or compared
// carelessly: it draws them (New, NewID), compares them (Equal), keeps them out
// of logs and JSON (Value), and encrypts what must be kept at rest and read back
// (Sealer).
//
// Passwords are not its business: they are guessable, and need a slow hash.
// Start at Value.
package secret

// Package limit says how often something may be tried: a token bucket per key,
// in bounded memory, in this process.
//
// It leaves what a key stands for, and what a refusal looks like, to its caller.
// It is a brake on guessing and flooding, not the last word: what must hold
// across nodes and restarts, such as the lockout of an account, is in the store.
// It alone imports golang.org/x/time/rate. Start reading at Limiter.Allow.
package limit

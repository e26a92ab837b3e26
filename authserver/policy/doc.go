// Package policy compiles conditions that are written in CEL, for the gate: expressions over a token's claims, the request and its TLS facts.
// They are type-checked and bounded in cost when they are compiled, and where that does not bound them for certain, once more when they are
// evaluated; whatever cannot be evaluated, such as a claim that is not there, is not met.
//
// Start reading at Compile. docs/policy.md is the reference for those who write conditions.
//
// cel-go is imported here alone.
package policy

package caddymodule

// ParseTarget is for the fuzzer.
var ParseTarget = parseTarget

// Command bench measures Gatehouse against its targets, from outside: it builds
// the custom Caddy and stock Caddy, runs them on one core, loads them from the
// other, and compares.
//
//	go run ./integration/bench [-quick] [-only regexp] [-list]
//
// How it measures. The machine's speed is not to be trusted from one moment to
// the next, so no number stands alone: each measure is a duel of two targets in
// short interleaved rounds (A B B A A B …), summed up in blocks, and what counts
// is the median of the blocks' ratios. Servers run with GOMAXPROCS=1 on the first
// core; this process (loader, upstream, foreign issuer) runs on the second. Instructions
// per request are counted with perf where the machine has counters, and CPU time
// per request everywhere.
//
// The measure managing is another matter: it is about the time that a page takes
// and has no baseline. Its clients sleep while they wait, since PostgreSQL runs on their core, and its
// latencies are medians of the rounds in which the server was held up least.
//
// What it prints. One line for each result:
//
//	name value unit ratio-to-what target pass|short
//
// and all of them in bin/bench.json. A target bounds the ratio where there is a
// baseline, else the value. A result without a target is information. A
// shortfall is listed at the end and is not a failure of the program: the exit
// status is 0 unless the benchmark itself could not run.
//
// Everything happens on loopback, in bounded time, below bin/bench; only
// processes that it started are ended.
//
// Start reading at main.go, then compare.go; each measure_*.go is one row group of
// the table of targets.
package main

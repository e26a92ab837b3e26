//go:build race

package integration_test

// raceDetector says that the tests are built with the race detector: then the
// binary is too, and its packages are compiled already.
const raceDetector = true

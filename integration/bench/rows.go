package main

import "errors"

// Results that several measures give.

func requestRate(name string, o outcome, against string) result {
	base, test, ratio := o.of(rate)
	return value(name, test, "requests/s").to(against, base, ratio)
}

func latency(name string, o outcome, against string) result {
	base, test, ratio := o.of(p99)
	return value(name, test, "ms").to(against, base, ratio)
}

// cpu is steadier than the rate where others use the machine too, as it leaves
// out the time in which the server was not running.
func cpu(name string, o outcome, against string) result {
	base, test, ratio := o.of(cpuMicros)
	if test == 0 {
		return missing(name, "us/request", errNotCounted.Error())
	}
	return value(name, test, "us/request").to(against, base, ratio)
}

// instructions counts both sides in interleaved rounds of a fixed number of requests.
func (b *bench) instructions(name string, base, test *served, against string) result {
	const unit = "instr/request"
	if !countsInstructions() {
		return missing(name, unit, errNotCounted.Error())
	}
	var bases, tests, ratios []float64
	for range b.blocks(3) {
		plain, err := instructionsPerRequest(base, 3000)
		if err != nil {
			return missing(name, unit, err.Error())
		}
		gated, err := instructionsPerRequest(test, 3000)
		if err != nil {
			return missing(name, unit, err.Error())
		}
		bases, tests, ratios = append(bases, plain), append(tests, gated), append(ratios, gated/plain)
	}
	return value(name, median(tests), unit).to(against, median(bases), median(ratios))
}

// addedMemory is how much more of the RAM one server holds than another, in MiB.
func addedMemory(base, test *server) (float64, error) {
	plain, err := residentBytes(base.pid())
	more, err2 := residentBytes(test.pid())
	return (more - plain) / (1 << 20), errors.Join(err, err2)
}

package main

import (
	"bytes"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// hotCheck runs the verifier's own benchmark of a token seen before.
func (b *bench) hotCheck() error {
	const pkg, pattern = "./authserver/resourceserver", "^BenchmarkHot"
	binary := b.dir + "/resourceserver.test"
	if err := b.place.run(exec.Command("go", "test", "-c", "-o", binary, pkg)); err != nil {
		return fmt.Errorf("go test -c %s: %w", pkg, err)
	}
	cmd := exec.Command(binary, "-test.run", "^$", "-test.bench", pattern, "-test.benchmem", "-test.benchtime", "200ms", "-test.count", "3", "-test.cpu", "1")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := startOn(cmd, b.place.server); err != nil {
		return err
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w: %s", pkg, err, out.String())
	}
	found := benchmarkFigures(out.String())
	if len(found) == 0 {
		return fmt.Errorf("%s has no benchmark named %s", pkg, pattern)
	}
	for _, f := range found {
		name := "hotcheck." + strings.ToLower(strings.TrimPrefix(f.name, "BenchmarkHot"))
		b.report.add(
			value(name+".time", f.nanos, "ns").target(atMost, 1000),
			value(name+".allocs", f.allocs, "allocs").target(atMost, 2),
		)
	}
	return nil
}

// figures are the medians of one Go benchmark's runs.
type figures struct {
	name          string
	nanos, allocs float64
}

// benchmarkFigures reads the output of go test -bench -benchmem, in its order.
func benchmarkFigures(out string) []figures {
	var names []string
	nanos, allocs := map[string][]float64{}, map[string][]float64{}
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := fields[0]
		if nanos[name] == nil {
			names = append(names, name)
		}
		for i := 3; i < len(fields); i += 2 {
			v, err := strconv.ParseFloat(fields[i-1], 64)
			if err != nil {
				continue
			}
			switch fields[i] {
			case "ns/op":
				nanos[name] = append(nanos[name], v)
			case "allocs/op":
				allocs[name] = append(allocs[name], v)
			}
		}
	}
	list := make([]figures, len(names))
	for i, name := range names {
		list[i] = figures{name: name, nanos: median(nanos[name]), allocs: median(allocs[name])}
	}
	return list
}

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
)

// result is one line of the report. Its JSON form is the contract of
// bin/bench.json; a pointer that is nil is null there.
type result struct {
	Name     string   `json:"name"`
	Value    *float64 `json:"value"` // null: could not be measured here
	Unit     string   `json:"unit"`
	Baseline *float64 `json:"baseline"` // what the value is compared with, in the same unit
	Ratio    *float64 `json:"ratio"`    // value to baseline, by pairs of rounds
	Target   *float64 `json:"target"`   // bounds the ratio, or the value where there is no baseline; null: information
	Pass     *bool    `json:"pass"`     // null without a target, or without a value

	against string // what the baseline is, for the reader
	bound   bound
	note    string
}

// bound says on which side of its target a number is good.
type bound string

const (
	atLeast bound = ">="
	atMost  bound = "<="
)

func value(name string, v float64, unit string) result {
	return result{Name: name, Value: &v, Unit: unit}
}

// missing is a result that this machine cannot give.
func missing(name, unit, why string) result {
	return result{Name: name, Unit: unit, note: why}
}

// to compares with a baseline; ratio comes from paired rounds where there are such.
func (r result) to(against string, baseline, ratio float64) result {
	r.against, r.Baseline, r.Ratio = against, &baseline, &ratio
	return r
}

// target judges the result. A missing one keeps its target but is not judged.
func (r result) target(b bound, limit float64) result {
	r.bound, r.Target = b, &limit
	judged := r.Value
	if r.Ratio != nil {
		judged = r.Ratio
	}
	if judged == nil {
		return r
	}
	pass := *judged >= limit
	if b == atMost {
		pass = *judged <= limit
	}
	r.Pass = &pass
	return r
}

// String is the result's line: name value unit ratio-to-what target pass|short.
func (r result) String() string {
	number, comparison, limit, verdict := "-", "-", "-", "info"
	if r.Value != nil {
		number = digits(*r.Value)
	}
	if r.Ratio != nil {
		comparison = fmt.Sprintf("%.3f of %s (%s)", *r.Ratio, r.against, digits(*r.Baseline))
	}
	if r.Target != nil {
		limit = string(r.bound) + strconv.FormatFloat(*r.Target, 'f', -1, 64)
		verdict = "unjudged"
	}
	if r.Pass != nil {
		verdict = map[bool]string{true: "pass", false: "short"}[*r.Pass]
	}
	line := fmt.Sprintf("%-36s %9s %-14s %-40s %-9s %s", r.Name, number, r.Unit, comparison, limit, verdict)
	if r.note != "" {
		line += "  (" + r.note + ")"
	}
	return line
}

// digits prints a number with as many digits as a reader can use.
func digits(v float64) string {
	switch {
	case v == float64(int64(v)) || v >= 1000:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 1, 64)
	default:
		return strconv.FormatFloat(v, 'f', 3, 64)
	}
}

// report collects results and prints each as it comes.
type report struct {
	out     io.Writer
	results []result
}

func (r *report) add(results ...result) {
	for _, res := range results {
		r.results = append(r.results, res)
		fmt.Fprintln(r.out, res)
	}
}

// summary repeats what fell short of its target.
func (r *report) summary() {
	passed, judged := 0, 0
	var short []result
	for _, res := range r.results {
		if res.Pass == nil {
			continue
		}
		judged++
		if *res.Pass {
			passed++
		} else {
			short = append(short, res)
		}
	}
	fmt.Fprintf(r.out, "\n%d of %d targets met\n", passed, judged)
	for _, res := range short {
		fmt.Fprintln(r.out, res)
	}
}

// write stores the results as JSON.
func (r *report) write(path string) error {
	text, err := json.MarshalIndent(r.results, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

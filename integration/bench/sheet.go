package main

import (
	"errors"
	"fmt"
	"slices"
)

// row is a result that a measure has to give.
type row struct {
	name, unit string
	bound      bound // "" for information
	limit      float64
}

// sheet collects the results of a measure that is made several times, under
// other names, and sees to it that none is left out.
type sheet struct {
	prefix string // of names
	rows   []row
	given  map[string]result
}

func newSheet(prefix string, rows []row) *sheet {
	return &sheet{prefix: prefix, rows: rows, given: map[string]result{}}
}

// set gives the value of a row.
func (s *sheet) set(name string, v float64) { s.compare(name, value("", v, "")) }

// compare gives a row the value, and the baseline if there is one, of a result.
func (s *sheet) compare(name string, r result) { s.given[name] = r }

// result is a row's, filled in.
func (s *sheet) result(of row, r result) result {
	r.Name, r.Unit = s.prefix+"."+of.name, of.unit
	if of.bound != "" {
		r = r.target(of.bound, of.limit)
	}
	return r
}

// complete gives the results in the order of the rows. One that is missing, or of
// no row, is a mistake of the benchmark.
func (s *sheet) complete() (results []result, err error) {
	var errs []error
	for _, of := range s.rows {
		r, ok := s.given[of.name]
		if !ok {
			errs = append(errs, fmt.Errorf("%s.%s was not measured", s.prefix, of.name))
			continue
		}
		results = append(results, s.result(of, r))
	}
	for name := range s.given {
		if !slices.ContainsFunc(s.rows, func(of row) bool { return of.name == name }) {
			errs = append(errs, fmt.Errorf("%s.%s is measured and in no row", s.prefix, name))
		}
	}
	return results, errors.Join(errs...)
}

// missing are all results, where none can be measured here.
func (s *sheet) missing(why string) (results []result) {
	for _, of := range s.rows {
		results = append(results, s.result(of, missing("", "", why)))
	}
	return results
}

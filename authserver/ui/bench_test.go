package ui_test

import (
	"net/http/httptest"
	"testing"
)

// BenchmarkSignOnPage is the page that every sign-on shows, without the flow behind it.
func BenchmarkSignOnPage(b *testing.B) {
	s := samples()[0]
	r := s.request()
	b.ReportAllocs()
	for b.Loop() {
		s.show(httptest.NewRecorder(), r)
	}
}

package main

import (
	"bufio"
	"encoding/json"
	"strings"
	"testing"
)

func TestReadPage(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		want       page
		wrong      bool
	}{
		{"with another one behind it", `{"_links":{"next":{"href":"http://localhost/v1/x?cursor=a%2Bb&limit=2"}},"size":2}`, page{size: 2, next: "/v1/x?cursor=a%2Bb&limit=2"}, false},
		{"the last one", `{"_links":{"self":{"href":"http://localhost/v1/x"}},"size":0}`, page{}, false},
		{"something else", `{"id":"x"}`, page{}, true},
		{"no JSON", `<html>`, page{}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := readPage([]byte(tt.body))
			if (err != nil) != tt.wrong {
				t.Fatalf("error = %v, want one: %t", err, tt.wrong)
			}
			if got.body = 0; got != tt.want {
				t.Errorf("page = %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestReadImport(t *testing.T) {
	const progress = `{"progress":{"line":500,"created":500}}` + "\n"
	for _, tt := range []struct {
		name, answer string
		created      int
		wrong        string
	}{
		{"to its end", progress + progress + `{"result":{"line":1001,"created":1000}}` + "\n", 1000, ""},
		{"refused on the way", progress + `{"error":{"code":"INVALID_DATA"}}` + "\n", 0, "INVALID_DATA"},
		{"cut off", progress, 0, "no result"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			told := 0
			got, err := readImport(strings.NewReader(tt.answer), func(importProgress) { told++ })
			if got != tt.created || (err == nil) != (tt.wrong == "") || err != nil && !strings.Contains(err.Error(), tt.wrong) {
				t.Errorf("created = %d, %v; want %d, %q", got, err, tt.created, tt.wrong)
			}
			if want := strings.Count(tt.answer, "progress"); told != want {
				t.Errorf("progress was told %d times, want %d", told, want)
			}
		})
	}
}

// A file is lines of JSON with a first and a last one, and no ID is there twice.
func TestExportFile(t *testing.T) {
	const n = 3000
	lines := bufio.NewScanner(exportFile(ecEnvironment, true, n, personLine))
	ids, total, last := map[string]bool{}, 0, ""
	for lines.Scan() {
		var line struct{ ID string }
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatalf("%s: %v", lines.Bytes(), err)
		}
		if line.ID != "" {
			ids[line.ID] = true
		}
		total, last = total+1, lines.Text()
	}
	if len(ids) != n || total != n+2 || last != `{"end":true}` {
		t.Errorf("%d IDs in %d lines, the last %q; want %d in %d", len(ids), total, last, n, n+2)
	}
}

package authserver_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestConformanceDocument keeps docs/conformance.md in step: each test that it
// names exists, with its case, and so does each file; and each file that says
// Diverges has a row among the divergences.
func TestConformanceDocument(t *testing.T) {
	document, err := os.ReadFile("../docs/conformance.md")
	if err != nil {
		t.Fatal(err)
	}
	var names []string           // files, from the top of the module
	var divergent []string       // files that say so
	tests := map[string]string{} // function → the sources of the packages that have it
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Example)\w*)\(`)
	sources := map[string]string{} // directory → its tests
	packageTests := func(dir string) string {
		if _, known := sources[dir]; !known {
			files, _ := filepath.Glob(filepath.Join(dir, "*_test.go"))
			for _, f := range files {
				text, _ := os.ReadFile(f)
				sources[dir] += string(text)
			}
		}
		return sources[dir]
	}
	err = filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && strings.HasPrefix(d.Name(), ".git") || d.Name() == "node_modules" {
			return filepath.SkipDir
		}
		names = append(names, strings.TrimPrefix(filepath.ToSlash(path), "../"))
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		source, err := os.ReadFile(path)
		for _, m := range declared.FindAllStringSubmatch(string(source), -1) {
			tests[m[1]] += packageTests(filepath.Dir(path))
		}
		if strings.Contains(string(source), "Diverges"+":") || strings.Contains(string(source), "Diverges"+" from") {
			divergent = append(divergent, d.Name())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(divergent) == 0 || len(tests) == 0 {
		t.Fatal("nothing was read")
	}
	_, rows, _ := strings.Cut(string(document), "## Divergences")
	rows, _, _ = strings.Cut(rows, "\n## ")
	for _, name := range divergent {
		if !strings.Contains(rows, name+"`") {
			t.Errorf("%s diverges, and has no row", name)
		}
	}
	for _, m := range regexp.MustCompile(`\b((?:Test|Fuzz)[A-Z]\w*)(?:/((?:case|row)_\d+|oidcc-[a-z0-9-]+))?`).FindAllStringSubmatch(string(document), -1) {
		source, ok := tests[m[1]]
		if m[1] == "TestName" { // how names are written
			continue
		}
		if !ok {
			t.Errorf("there is no test %s", m[1])
			continue
		}
		if m[2] != "" && !strings.Contains(source, m[2]) && !strings.Contains(source, "case_%02d") {
			t.Errorf("%s has no case %s", m[1], m[2])
		}
	}
	for _, m := range regexp.MustCompile("`([a-z0-9_/.]+\\.(?:go|sql|html))`").FindAllStringSubmatch(string(document), -1) {
		found := false
		for _, name := range names {
			found = found || name == m[1] || strings.HasSuffix(name, "/"+m[1])
		}
		if !found {
			t.Errorf("there is no file %s", m[1])
		}
	}
}

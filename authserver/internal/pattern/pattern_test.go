package pattern_test

import (
	"slices"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/pattern"
)

func TestPattern(t *testing.T) {
	p := pattern.New(`^([a-z]+)=(\d{1,3})$`)
	if !p.MatchString("a=12") || p.MatchString("a=1234") {
		t.Error("MatchString differs from the expression")
	}
	if got := p.FindStringSubmatch("abc=7"); !slices.Equal(got, []string{"abc=7", "abc", "7"}) {
		t.Errorf("FindStringSubmatch: got %q", got)
	}
	if got := pattern.New("[/,]").Split("a/b,c", -1); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("Split: got %q", got)
	}
}

func TestNoPattern(t *testing.T) {
	p := pattern.New("(") // not looked at yet
	defer func() {
		if recover() == nil {
			t.Error("a broken expression matched")
		}
	}()
	p.MatchString("a")
}

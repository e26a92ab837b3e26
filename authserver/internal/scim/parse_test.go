package scim_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/scim"
)

func TestParse(t *testing.T) {
	tests := []struct {
		name, filter string
		want         string // as String writes it
	}{
		{"one comparison", `username eq "alice"`, `username eq "alice"`},
		{"operator in another case", `username EQ "alice"`, `username eq "alice"`},
		{"escaped quote", `name.given eq "the \"one\""`, `name.given eq "the \"one\""`},
		{"escaped character", `a eq "\u00e9"`, `a eq "é"`},
		{"parentheses within a value", `a eq "(b) and c"`, `a eq "(b) and c"`},
		{"empty text", `a eq ""`, `a eq ""`},
		{"true, false, null and a number", `a eq true and b eq False and c eq null and d eq -1.5`, `a eq true and b eq false and c eq null and d eq -1.5`},
		{"present", `a pr and b eq "1"`, `a pr and b eq "1"`},
		{"provider, one value", `((name eq "x"))`, `name eq "x"`},
		{"provider, several", `((a eq "1") OR (a eq "2")) AND (b eq "3")`, `(a eq "1" or a eq "2") and b eq "3"`},
		{"and binds more than or", `a eq 1 or b eq 2 and c eq 3`, `a eq 1 or (b eq 2 and c eq 3)`},
		{"not", `not (a eq 1)`, `not (a eq 1)`},
		{"not without a space", `NOT(a eq 1) and b eq 2`, `not (a eq 1) and b eq 2`},
		{"an attribute called not", `not eq 1`, `not eq 1`},
		{"attributes that begin with words", `orders eq 1 or android eq 2 or notes eq 3`, `orders eq 1 or android eq 2 or notes eq 3`},
		{"dots, dashes and a URN", `urn:x:y.z-1 sw "a"`, `urn:x:y.z-1 sw "a"`},
		{"much space", "  a  eq\t\"1\"  ", `a eq "1"`},
		{"every operator", `a eq 1 or a ne 1 or a sw "1" or a ew "1" or a co "1" or a lt 1 or a le 1 or a gt 1 or a ge 1`,
			`a eq 1 or a ne 1 or a sw "1" or a ew "1" or a co "1" or a lt 1 or a le 1 or a gt 1 or a ge 1`},
		{"16 parentheses", strings.Repeat("(", 16) + "a eq 1" + strings.Repeat(")", 16), "a eq 1"},
		{"64 comparisons", strings.TrimSuffix(strings.Repeat("a eq 1 or ", 64), " or "), strings.TrimSuffix(strings.Repeat("a eq 1 or ", 64), " or ")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := scim.Parse(tt.filter)
			if err != nil {
				t.Fatalf("error = %v", err)
			}
			if got.String() != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			again, err := scim.Parse(got.String())
			if err != nil || !reflect.DeepEqual(got, again) {
				t.Errorf("read again: %v, %v", again, err)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct{ name, filter, want string }{
		{"nothing", ``, "at character 1: the name of an attribute"},
		{"space alone", `  `, "at character 3: the name of an attribute"},
		{"no operator", `a`, "at character 2: a space and an operator"},
		{"unknown operator", `a is "1"`, "at character 3: an operator is expected"},
		{"operator with more behind", `a eqx "1"`, "at character 3: an operator is expected"},
		{"no value", `a eq`, "at character 5: a space and a value"},
		{"no space before the value", `a eq"1"`, "at character 5: a space and a value"},
		{"a word as the value", `a eq alice`, "at character 6: a value is expected"},
		{"single quotes", `a eq 'x'`, "at character 6: a value is expected"},
		{"a number with more behind", `a eq 1x`, "at character 6: a value is expected"},
		{"a number beyond all", `a eq 1e999`, "at character 6: a value is expected"},
		{"open text", `a eq "x`, "at character 6: the closing quote"},
		{"open text after an escape", `a eq "x\"`, "at character 6: the closing quote"},
		{"unknown escape", `a eq "\x"`, "at character 6: this text has an escape"},
		{"a control character", "a eq \"\x01\"", "at character 6: this text has an escape"},
		{"position in characters", `a eq "é" or b`, "at character 14: a space and an operator"},
		{"open parenthesis", `(a eq 1`, "at character 8: and, or, or a closing parenthesis"},
		{"closing parenthesis", `a eq 1)`, "at character 7: and, or, or the end"},
		{"two comparisons without a word", `a eq 1 b eq 2`, "at character 8: and, or, or the end"},
		{"a word at the end", `a eq 1 and`, "at character 11: the name of an attribute"},
		{"not without parentheses", `not a eq 1`, "at character 5: an operator is expected"},
		{"a filter in brackets", `emails[type eq "x"]`, "at character 7: a space and an operator"},
		{"a name that begins with a digit", `1a eq 1`, "at character 1: the name of an attribute"},
		{"17 parentheses", strings.Repeat("(", 17) + "a eq 1" + strings.Repeat(")", 17), "at character 17: there are more than 16"},
		{"65 comparisons", strings.TrimSuffix(strings.Repeat("a eq 1 or ", 65), " or "), "there are more than 64 comparisons"},
		{"4097 bytes", `a eq "` + strings.Repeat("x", 4097-7) + `"`, "more than 4096 bytes"},
		{"not UTF-8", "a eq \"\xff\"", "not UTF-8"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := scim.Parse(tt.filter)
			if err == nil {
				t.Fatalf("accepted as %s, want an error", got)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %q, want %q in it", err, tt.want)
			}
		})
	}
}

func TestNormal(t *testing.T) {
	tests := []struct {
		name, filter string
		want         []string // a conjunction each
	}{
		{"one", `a eq 1`, []string{"a eq 1"}},
		{"or", `a eq 1 or b eq 2`, []string{"a eq 1", "b eq 2"}},
		{"and", `a eq 1 and b eq 2`, []string{"a eq 1, b eq 2"}},
		{"or within and", `(a eq 1 or a eq 2) and (b eq 3 or b eq 4)`, []string{"a eq 1, b eq 3", "a eq 1, b eq 4", "a eq 2, b eq 3", "a eq 2, b eq 4"}},
		{"not of a comparison", `not (a eq 1)`, []string{"not (a eq 1)"}},
		{"not twice", `not (not (a eq 1))`, []string{"a eq 1"}},
		{"not of and is or", `not (a eq 1 and b eq 2)`, []string{"not (a eq 1)", "not (b eq 2)"}},
		{"not of or is and", `not (a eq 1 or b eq 2)`, []string{"not (a eq 1), not (b eq 2)"}},
		{"not within not", `not (a eq 1 or not (b eq 2))`, []string{"not (a eq 1), b eq 2"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e, err := scim.Parse(tt.filter)
			if err != nil {
				t.Fatal(err)
			}
			normal, err := e.Normal(8)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, conjunction := range normal {
				var parts []string
				for _, c := range conjunction {
					parts = append(parts, c.String())
				}
				got = append(got, strings.Join(parts, ", "))
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestNormalIsBounded(t *testing.T) {
	pair := "(a eq 1 or b eq 2)"
	for n, good := range map[int]bool{6: true, 7: false, 32: false} {
		e, err := scim.Parse(strings.TrimSuffix(strings.Repeat(pair+" and ", n), " and "))
		if err != nil {
			t.Fatal(err)
		}
		normal, err := e.Normal(64)
		if (err == nil) != good || len(normal) > 64 {
			t.Errorf("%d pairs: %d alternatives, %v; want accepted: %t", n, len(normal), err, good)
		}
	}
	for n, good := range map[int]bool{64: true, 65: false} {
		e := scim.Expression{}
		for range n {
			e.Or = append(e.Or, scim.Expression{Comparison: &scim.Comparison{Attribute: "a", Operator: "pr"}})
		}
		if _, err := e.Normal(64); (err == nil) != good {
			t.Errorf("%d alternatives: %v; want accepted: %t", n, err, good)
		}
	}
}

// holds judges an expression by a valuation of its comparisons.
func holds(e scim.Expression, value func(scim.Comparison) bool) bool {
	switch {
	case e.Comparison != nil:
		return value(*e.Comparison)
	case e.Not != nil:
		return !holds(*e.Not, value)
	case e.And != nil:
		for _, p := range e.And {
			if !holds(p, value) {
				return false
			}
		}
		return true
	}
	for _, p := range e.Or {
		if holds(p, value) {
			return true
		}
	}
	return false
}

// FuzzParse: no panic; what is read is written so that it is read again as the same; and the normal form holds
// exactly where the expression does.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`username eq "alice"`, `((a eq "1") OR (a eq "2")) AND (b eq "3")`, `not (a eq 1 and b pr) or c lt -1e3`, `a eq "\"\\\u0041"`,
		`a eq`, `((`, `not`, `emails[type eq "x"]`, "a\teq\tnull", `a eq "é" and b sw "ß"`,
	} {
		f.Add(s, uint64(0b1010))
	}
	f.Fuzz(func(t *testing.T, filter string, bits uint64) {
		e, err := scim.Parse(filter)
		if err != nil {
			return
		}
		again, err := scim.Parse(e.String())
		if err != nil || again.String() != e.String() {
			t.Fatalf("%q is written as %q, which is read as %q, %v", filter, e, again, err)
		}
		normal, err := e.Normal(256)
		if err != nil {
			return
		}
		value := func(c scim.Comparison) bool {
			c.Negated = false
			var sum uint64
			for _, r := range c.String() {
				sum = sum*31 + uint64(r)
			}
			return bits>>(sum%64)&1 == 1
		}
		got := false
		for _, conjunction := range normal {
			all := true
			for _, c := range conjunction {
				all = all && value(c) != c.Negated
			}
			got = got || all
		}
		if want := holds(e, value); got != want {
			t.Fatalf("%q: the normal form gives %t, the expression %t", e, got, want)
		}
	})
}

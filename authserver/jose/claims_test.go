package jose_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

func TestClaimsFields(t *testing.T) {
	const text = `{"iss":"https://as.example.com","sub":"alice","aud":["a","b"],"jti":"1","client_id":"web","scope":"read write",` +
		`"exp":1772370000,"nbf":1772366400.25,"iat":1772366400,"active":true,"username":"Alice","token_type":"Bearer"}`
	for name, read := range map[string]func() (*jose.Claims, error){
		"an introspection answer": func() (*jose.Claims, error) { return jose.ParseClaims([]byte(text), jose.Limits{}) },
		"a token": func() (*jose.Claims, error) {
			j, err := jose.Parse(forge(`{"alg":"RS256"}`, text, constant([]byte("unchecked"))), jose.Limits{})
			if err != nil {
				return nil, err
			}
			return j.Claims()
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := read()
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range []struct {
				name      string
				got, want any
			}{
				{"iss", c.Issuer, "https://as.example.com"}, {"sub", c.Subject, "alice"}, {"aud", c.Audience, []string{"a", "b"}},
				{"jti", c.ID, "1"}, {"client_id", c.ClientID, "web"}, {"scope", c.Scope, []string{"read", "write"}},
				{"exp", c.Expiry, time.Unix(1772370000, 0).UTC()}, {"nbf", c.NotBefore, time.Unix(1772366400, 250_000_000).UTC()},
				{"iat", c.IssuedAt, time.Unix(1772366400, 0).UTC()},
			} {
				if !reflect.DeepEqual(f.got, f.want) {
					t.Errorf("%s = %v, want %v", f.name, f.got, f.want)
				}
			}
			for member, want := range map[string]any{"active": true, "username": "Alice", "token_type": "Bearer", "exp": json.Number("1772370000")} {
				if got, ok := c.Value(member); !ok || got != want {
					t.Errorf("Value(%q) = %v, %v, want %v", member, got, ok, want)
				}
			}
			if got, want := strings.Join(c.Names(), " "), "iss sub aud jti client_id scope exp nbf iat active username token_type"; got != want {
				t.Errorf("Names = %s, want %s", got, want)
			}
			if got := c.Size(); got < len(text) || got > 10*len(text) {
				t.Errorf("Size = %d, want the text's %d and some overhead", got, len(text))
			}
		})
	}
	t.Run("absent", func(t *testing.T) {
		c, err := jose.ParseClaims([]byte(`{}`), jose.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if c.Issuer != "" || c.Subject != "" || c.Audience != nil || c.Scope != nil || !c.Expiry.IsZero() || !c.NotBefore.IsZero() || !c.IssuedAt.IsZero() || len(c.Names()) != 0 {
			t.Errorf("claims = %+v, want nothing", c)
		}
		if c.Has("iss") {
			t.Error("Has(iss), want not")
		}
		if _, ok := c.Value("iss"); ok {
			t.Error("Value(iss) is there, want not")
		}
		if _, ok := c.Raw("iss"); ok {
			t.Error("Raw(iss) is there, want not")
		}
	})
}

// A registered claim of another type than its registered one refuses the whole
// set; scope alone then reads as none.
func TestClaimsTypes(t *testing.T) {
	tests := []struct {
		text string
		ok   bool
	}{
		{`{"iss":"a"}`, true}, {`{"iss":""}`, true}, {`{"iss":null}`, false}, {`{"iss":1}`, false}, {`{"iss":["a"]}`, false}, {`{"iss":{}}`, false}, {`{"iss":true}`, false},
		{`{"sub":"a"}`, true}, {`{"sub":" "}`, true}, {`{"sub":null}`, false}, {`{"sub":["a"]}`, false}, {`{"sub":7}`, false},
		{`{"jti":"a"}`, true}, {`{"jti":null}`, false}, {`{"jti":7}`, false},
		{`{"client_id":"a"}`, true}, {`{"client_id":null}`, false}, {`{"client_id":["a"]}`, false},
		{`{"aud":"a"}`, true}, {`{"aud":["a"]}`, true}, {`{"aud":[]}`, true}, {`{"aud":null}`, false}, {`{"aud":7}`, false}, {`{"aud":{}}`, false}, {`{"aud":true}`, false},
		{`{"aud":""}`, false}, {`{"aud":[""]}`, false}, {`{"aud":["a",""]}`, false}, {`{"aud":["a",null]}`, false}, {`{"aud":["a",7]}`, false}, {`{"aud":[["a"]]}`, false},
		{`{"scope":"a"}`, true}, {`{"scope":""}`, true}, {`{"scope":null}`, true}, {`{"scope":["a"]}`, true}, {`{"scope":7}`, true},
		{`{"ISS":7,"Sub":7,"AUD":7,"Exp":"x"}`, true},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			_, err := jose.ParseClaims([]byte(tt.text), jose.Limits{})
			want := jose.ProblemMalformed
			if tt.ok {
				want = ""
			}
			if got := problem(t, err); got != want {
				t.Errorf("problem = %q, want %q", got, want)
			}
		})
	}
}

// TestAttackScope is the reader's half of attack case 41: members are split at
// spaces alone, and nothing but a string has any.
func TestAttackScope(t *testing.T) {
	tests := []struct {
		text string
		want []string
	}{
		{`"read"`, []string{"read"}}, {`"read write"`, []string{"read", "write"}}, {`"read  write "`, []string{"read", "write"}},
		{`"read-all"`, []string{"read-all"}}, {`"READ"`, []string{"READ"}}, {`"read,write"`, []string{"read,write"}},
		{`"read\twrite"`, []string{"read\twrite"}}, {"\"read\u00a0write\"", []string{"read\u00a0write"}}, {`"read\nwrite"`, []string{"read\nwrite"}},
		{`["read"]`, nil}, {`[]`, nil}, {`""`, nil}, {`"  "`, nil}, {`null`, nil}, {`7`, nil}, {`{"read":true}`, nil},
	}
	for _, tt := range tests {
		t.Run("case_41/"+tt.text, func(t *testing.T) {
			for _, name := range []string{"scope", "scp", "Scope"} {
				c, err := jose.ParseClaims([]byte(`{"`+name+`":`+tt.text+`}`), jose.Limits{})
				if err != nil {
					t.Fatal(err)
				}
				want := tt.want
				if name != "scope" {
					want = nil
				}
				if len(c.Scope) != len(want) || len(want) > 0 && !reflect.DeepEqual(c.Scope, want) {
					t.Errorf("%s: %q, want %q", name, c.Scope, want)
				}
			}
		})
	}
}

func TestClaimsValue(t *testing.T) {
	tests := []struct {
		text string
		want any
	}{
		{`"a"`, "a"}, {`""`, ""}, {`"\"\\\/\b\f\n\r\t\u0041"`, "\"\\/\b\f\n\r\tA"}, {`"\uD83D\uDE00"`, "😀"}, {`"😀"`, "😀"}, {`"\u0000"`, "\x00"},
		{`true`, true}, {`false`, false}, {`null`, nil}, {`0`, json.Number("0")}, {`-0.10e+5`, json.Number("-0.10e+5")},
		{`12345678901234567890123`, json.Number("12345678901234567890123")},
		{`[]`, []any{}}, {`[1, "a",[null]]`, []any{json.Number("1"), "a", []any{nil}}},
		{`{}`, map[string]any{}}, {"{ \"a\" : {\"b\":[true]} ,\n\"c\":\"{env.SECRET}\"}", map[string]any{"a": map[string]any{"b": []any{true}}, "c": "{env.SECRET}"}},
		{`{"\u0061":1}`, map[string]any{"a": json.Number("1")}},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			c, err := jose.ParseClaims([]byte(`{ "before" : 1 , "m" : `+tt.text+` , "after":2}`), jose.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			got, ok := c.Value("m")
			if !ok || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("Value = %#v, %v, want %#v", got, ok, tt.want)
			}
			if raw, ok := c.Raw("m"); !ok || string(raw) != tt.text {
				t.Errorf("Raw = %s, %v, want it as sent", raw, ok)
			}
			if !c.Has("m") || c.Has("M") {
				t.Error("Has goes by another name, want the exact one")
			}
			// The standard library agrees about the value.
			d := json.NewDecoder(strings.NewReader(tt.text))
			d.UseNumber()
			var other any
			if err := d.Decode(&other); err != nil || !reflect.DeepEqual(got, other) {
				t.Errorf("Value = %#v, encoding/json says %#v, %v", got, other, err)
			}
		})
	}
}

func TestClaimsAreImmutable(t *testing.T) {
	text := []byte(`{"iss":"https://as.example.com","x":"abc"}`)
	c, err := jose.ParseClaims(text, jose.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	clear(text)
	raw, _ := c.Raw("x")
	copy(raw, "garbage")
	if again, _ := c.Raw("x"); string(again) != `"abc"` || c.Issuer != "https://as.example.com" {
		t.Errorf("Raw, iss = %s, %q, want what was sent", again, c.Issuer)
	}
}

func TestClaimsWithManyMembers(t *testing.T) {
	c, err := jose.ParseClaims([]byte(`{`+manyMembers(500)+`,"iss":"a"}`), jose.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 500 {
		if v, ok := c.Value(fmt.Sprint("m", i)); !ok || v != json.Number(fmt.Sprint(i)) {
			t.Fatalf("m%d = %v, %v, want %d", i, v, ok, i)
		}
	}
	if c.Has("m500") || !c.Has("iss") || c.Issuer != "a" {
		t.Error("the members are not those sent")
	}
}

// Value decodes on first use, whoever comes first.
func TestClaimsConcurrentValue(t *testing.T) {
	c, err := jose.ParseClaims([]byte(`{"a":["x",{"b":1}],"c":"d"}`), jose.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	results := make([]any, 16)
	for i := range results {
		wg.Go(func() {
			c.Raw("c")
			c.Value("c")
			results[i], _ = c.Value("a")
		})
	}
	wg.Wait()
	for _, r := range results {
		// The very same slice, not equal ones.
		if reflect.ValueOf(r).Pointer() != reflect.ValueOf(results[0]).Pointer() {
			t.Fatal("two callers got different values, want one shared")
		}
	}
}

func TestStrictJSON(t *testing.T) {
	tests := []struct {
		name, text string
		ok         bool
	}{
		{"empty object", `{}`, true},
		{"white space everywhere", " \t\r\n{ \"a\" : [ 1 , 2 ] , \"b\" : { } } \n", true},
		{"all kinds", `{"a":[1,-1,0,1.5,1e5,1E+5,1e-5,"x",true,false,null,[],{}]}`, true},
		{"surrogate pair", `{"a":"\ud83d\ude00"}`, true},
		{"DEL and beyond", "{\"a\":\"\x7f\u0080\U0010FFFF\"}", true},
		{"empty name", `{"":1}`, true},

		{"nothing", ``, false}, {"white space", ` `, false}, {"null", `null`, false}, {"array", `[]`, false}, {"string", `"{}"`, false}, {"number", `1`, false},
		{"cut after {", `{`, false}, {"cut after name", `{"a"`, false}, {"cut after colon", `{"a":`, false}, {"cut after value", `{"a":1`, false}, {"cut after comma", `{"a":1,`, false},
		{"cut in string", `{"a":"b`, false}, {"cut in escape", `{"a":"\`, false}, {"cut in \\u", `{"a":"\u00`, false}, {"cut in array", `{"a":[1`, false}, {"cut in literal", `{"a":tru`, false},
		{"trailing comma", `{"a":1,}`, false}, {"trailing comma in array", `{"a":[1,]}`, false}, {"leading comma", `{,"a":1}`, false}, {"two commas", `{"a":1,,"b":2}`, false},
		{"no comma", `{"a":1 "b":2}`, false}, {"no colon", `{"a" 1}`, false}, {"unquoted name", `{a:1}`, false}, {"quote of another kind", `{'a':1}`, false}, {"number as a name", `{1:1}`, false},
		{"text behind", `{}x`, false}, {"object behind", `{}{}`, false}, {"brace behind", `{}}`, false}, {"NUL behind", "{}\x00", false}, {"bracket for brace", `{"a":1]`, false}, {"brace for bracket", `{"a":[1}}`, false},
		{"comment", `{"a":1/**/}`, false}, {"byte order mark", "\ufeff{}", false}, {"vertical tab", "{\v}", false}, {"no-break space", "{\u00a0}", false},
		{"leading zero", `{"a":01}`, false}, {"minus alone", `{"a":-}`, false}, {"minus zero one", `{"a":-01}`, false}, {"plus", `{"a":+1}`, false}, {"no fraction", `{"a":1.}`, false}, {"no exponent", `{"a":1e}`, false},
		{"sign of no exponent", `{"a":1e+}`, false}, {"hexadecimal", `{"a":0x1}`, false}, {"NaN", `{"a":NaN}`, false}, {"Infinity", `{"a":Infinity}`, false}, {"True", `{"a":True}`, false}, {"nul", `{"a":nul}`, false}, {"nulll", `{"a":nulll}`, false},
		{"escape x", `{"a":"\x41"}`, false}, {"escape of a quote of another kind", `{"a":"\'"}`, false}, {"\\u with three digits", `{"a":"\u004"}`, false}, {"\\u with a bad digit", `{"a":"\u00g1"}`, false}, {"\\U", `{"a":"\U0041"}`, false},
		{"lone high surrogate", `{"a":"\ud83d"}`, false}, {"lone low surrogate", `{"a":"\ude00"}`, false}, {"high and high", `{"a":"\ud83d\ud83d"}`, false}, {"low and high", `{"a":"\ude00\ud83d"}`, false}, {"high and a letter", `{"a":"\ud83dx"}`, false},
		{"high and another escape", `{"a":"\ud83d\n"}`, false}, {"lone surrogate in a name", `{"\ud83d":1}`, false},
		{"line break in a string", "{\"a\":\"\n\"}", false}, {"NUL in a string", "{\"a\":\"\x00\"}", false}, {"tab in a name", "{\"a\t\":1}", false},
		{"invalid UTF-8", "{\"a\":\"\xff\"}", false}, {"invalid UTF-8 in a name", "{\"\xff\":1}", false}, {"overlong", "{\"a\":\"\xc0\xaf\"}", false}, {"surrogate in UTF-8", "{\"a\":\"\xed\xa0\x80\"}", false}, {"beyond Unicode", "{\"a\":\"\xf4\x90\x80\x80\"}", false}, {"cut UTF-8", "{\"a\":\"\xe2\x82\"}", false},
		{"repeated", `{"a":1,"a":1}`, false}, {"repeated, escaped", `{"a":1,"\u0061":1}`, false}, {"repeated, both escaped", `{"\u0061":1,"\u0061":1}`, false}, {"repeated deep down", `{"x":[[{"y":{"a":1,"a":2}}]]}`, false}, {"repeated among many", `{` + manyMembers(200) + `,"m7":1}`, false},
		{"not repeated: case", `{"a":1,"A":1}`, true}, {"not repeated: composition", "{\"\u00e9\":1,\"e\u0301\":1}", true}, {"not repeated: siblings", `{"x":[{"a":1},{"a":1}],"a":1}`, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := jose.ParseClaims([]byte(tt.text), jose.Limits{})
			if (err == nil) != tt.ok {
				t.Errorf("error = %v, want it accepted: %v", err, tt.ok)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	deep := func(n int) string { return `{"a":` + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) + `}` }
	tests := []struct {
		name, text string
		lim        jose.Limits
		want       jose.Problem
	}{
		{"size reached", `{"a":1}`, jose.Limits{Size: 7}, ""},
		{"size passed", `{"a":1}`, jose.Limits{Size: 6}, jose.ProblemOversized},
		{"default size passed", `{"a":"` + strings.Repeat("x", 16384) + `"}`, jose.Limits{}, jose.ProblemOversized},
		{"depth reached", deep(3), jose.Limits{Depth: 3}, ""},
		{"depth passed", deep(4), jose.Limits{Depth: 3}, jose.ProblemMalformed},
		{"default depth reached", deep(16), jose.Limits{}, ""},
		{"default depth passed", deep(17), jose.Limits{}, jose.ProblemMalformed},
		{"depth is given back", `{"a":[[]],"b":[[]],"c":{"d":[]}}`, jose.Limits{Depth: 3}, ""},
		{"members reached", `{"a":[1,2],"b":{"c":1}}`, jose.Limits{Members: 5}, ""},
		{"members passed", `{"a":[1,2],"b":{"c":1}}`, jose.Limits{Members: 4}, jose.ProblemMalformed},
		{"negative means default", `{"a":1}`, jose.Limits{Size: -1, Depth: -1, Members: -1}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := jose.ParseClaims([]byte(tt.text), tt.lim)
			if got := problem(t, err); got != tt.want {
				t.Errorf("problem = %q, want %q", got, tt.want)
			}
		})
	}
}

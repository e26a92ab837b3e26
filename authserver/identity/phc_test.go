package identity_test

import (
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/identity"
)

// salt is 16 bytes and hash 32, both base64 without padding.
const (
	salt16 = "AAAAAAAAAAAAAAAAAAAAAA"
	hash32 = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)

func TestCheckDeclared(t *testing.T) {
	const good = "$argon2id$v=19$m=19456,t=2,p=1$" + salt16 + "$" + hash32
	tests := []struct {
		name, in string
		ok       bool
	}{
		{"a PHC string", good, true},
		{"a password", "correct horse battery staple", true},
		{"a password with dollars", "$ecret$", true},
		{"nothing", "", true},
		{"argon2i", strings.Replace(good, "argon2id", "argon2i", 1), false},
		{"argon2d", strings.Replace(good, "argon2id", "argon2d", 1), false},
		{"an older version", strings.Replace(good, "v=19", "v=16", 1), false},
		{"no version", strings.Replace(good, "v=19$", "", 1), false},
		{"memory less than 8 per lane", "$argon2id$v=19$m=15,t=2,p=2$" + salt16 + "$" + hash32, false},
		{"memory 8 per lane", "$argon2id$v=19$m=16,t=2,p=2$" + salt16 + "$" + hash32, true},
		{"1 GiB", "$argon2id$v=19$m=1048576,t=2,p=1$" + salt16 + "$" + hash32, true},
		{"more than 1 GiB", "$argon2id$v=19$m=1048577,t=2,p=1$" + salt16 + "$" + hash32, false},
		{"65 passes", strings.Replace(good, "t=2", "t=65", 1), false},
		{"no pass", strings.Replace(good, "t=2", "t=0", 1), false},
		{"no lane", strings.Replace(good, "p=1", "p=0", 1), false},
		{"a number with a sign", strings.Replace(good, "t=2", "t=+2", 1), false},
		{"a number with a leading zero", strings.Replace(good, "t=2", "t=02", 1), false},
		{"a number beyond 32 bits", strings.Replace(good, "t=2", "t=4294967298", 1), false},
		{"parameters in another order", strings.Replace(good, "m=19456,t=2", "t=2,m=19456", 1), false},
		{"a parameter more", strings.Replace(good, "p=1", "p=1,data=AA", 1), false},
		{"salt of 7 bytes", strings.Replace(good, salt16, "AAAAAAAAAA"[:10], 1), false},
		{"salt padded", strings.Replace(good, salt16, salt16+"==", 1), false},
		{"salt not canonical", strings.Replace(good, salt16, salt16[:21]+"B", 1), false},
		{"salt with a line end", strings.Replace(good, salt16, salt16[:4]+"\n"+salt16[4:], 1), false},
		{"hash of 15 bytes", strings.Replace(good, hash32, hash32[:20], 1), false},
		{"hash missing", strings.TrimSuffix(good, "$"+hash32), false},
		{"something behind", good + "$", false},
		{"space behind", good + " ", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := identity.CheckDeclared(tt.in); (err == nil) != tt.ok {
				t.Errorf("error = %v, want one: %v", err, !tt.ok)
			}
		})
	}
}

func TestFold(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"plain", "alice", "alice"},
		{"case", "ALICE", "alice"},
		{"space around", "\t alice \u00a0", "alice"},
		{"space within stays", "al ice", "al ice"},
		{"full width", "\uff21\uff2c\uff29\uff23\uff25", "alice"},
		{"ligature", "o\ufb03ce", "office"},
		{"composed and decomposed", "u\u0308", "\u00fc"},
		{"decomposed upper case", "U\u0308", "\u00fc"},
		{"Kelvin sign", "\u212aim", "kim"},
		{"sharp s stays", "stra\u00dfe", "stra\u00dfe"},
		{"another script is another name", "\u0430lice", "\u0430lice"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := identity.Fold(tt.in)
			if got != tt.want {
				t.Errorf("Fold(%q) = %q, want %q", tt.in, got, tt.want)
			}
			if again := identity.Fold(got); again != got {
				t.Errorf("folded again %q, want %q", again, got)
			}
		})
	}
}

func FuzzFold(f *testing.F) {
	for _, s := range []string{"alice", "ALICE ", "\uff21", "\u0130stanbul", "a\u0345\u0301", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once := identity.Fold(s)
		if twice := identity.Fold(once); twice != once {
			t.Errorf("Fold(%q) = %q, folded again %q, want the same: it is what is stored", s, once, twice)
		}
	})
}

func FuzzPHC(f *testing.F) {
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$" + salt16 + "$" + hash32)
	f.Add("$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAA$" + salt16)
	f.Add("$argon2id$v=19$m=8,t=01,p=1$AAAAAAAAAAA$" + salt16)
	f.Add("$argon2i$$$$")
	f.Fuzz(func(t *testing.T, s string) {
		got, err := identity.ParsePHC(s)
		if err == nil && got != s {
			t.Errorf("read %q and wrote %q, want the same", s, got)
		}
	})
}

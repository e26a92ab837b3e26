package notify_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/notify"
)

func message(change func(m *notify.Message)) notify.Message {
	m := notify.Message{
		Kind: notify.RecoveryCode, To: "alice@example.com", Name: "Alice Example", Brand: "Demo", Locale: "en", Code: "ABCD2345",
	}
	if change != nil {
		change(&m)
	}
	return m
}

func TestTexts(t *testing.T) {
	for _, locale := range []string{"en", "de"} {
		for _, kind := range []notify.Kind{notify.RecoveryCode, notify.VerificationCode} {
			t.Run(locale+" "+string(kind), func(t *testing.T) {
				text, err := message(func(m *notify.Message) { m.Kind, m.Locale = kind, locale }).Render()
				if err != nil {
					t.Fatal(err)
				}
				if strings.Contains(text.Subject, "ABCD2345") {
					t.Error("the code is in the subject, which locked screens show")
				}
				if !strings.Contains(text.Body, "\n    ABCD2345\n") {
					t.Error("the code is not on a line of its own")
				}
				for line := range strings.Lines(text.Body) {
					if utf8.RuneCountInString(line) > 80 {
						t.Errorf("line of more than 80 characters: %q", line)
					}
				}
				testkit.Golden(t, string(kind)+"."+locale+".txt", []byte(text.Subject+"\n\n"+text.Body))
			})
		}
	}
}

func TestLanguage(t *testing.T) {
	for locale, want := range map[string]string{
		"": "en", "en": "en", "en-GB": "en", "de": "de", "de-CH": "de", "DE_at": "de", "de-Latn-DE-1996": "de",
		"fr": "en", "deu": "en", "*": "en", "-de": "en",
	} {
		if text, err := message(func(m *notify.Message) { m.Locale = locale }).Render(); err != nil || text.Language != want {
			t.Errorf("%q: language %q, %v, want %q", locale, text.Language, err, want)
		}
	}
}

// Whoever registers somebody else's address chooses the name in the message.
func TestNamesAndBrandsStayInTheirPlace(t *testing.T) {
	tests := []struct{ name, in, greeting string }{
		{"a name", "Alice Example", "Hello Alice Example,"},
		{"another script", "Мария", "Hello Мария,"},
		{"apostrophe and hyphen", "Anne-Marie O'Neil", "Hello Anne-Marie O'Neil,"},
		{"combining marks", "Zoe\u0308", "Hello Zoe\u0308,"},
		{"none", "", "Hello,"},
		{"a link", "you won https://evil.example", "Hello,"},
		{"a host", "evil.example", "Hello,"},
		{"digits", "call 0900 123", "Hello,"},
		{"a line end becomes a space", "Alice\r\nBcc: all", "Hello,"},
		{"spaces run together", "Alice \t\n Example", "Hello Alice Example,"},
		{"bidirectional override", "Alice\u202eelpmaxE", "Hello Alice elpmaxE,"},
		{"not UTF-8", "Alice\xff", "Hello Alice,"},
		{"very long", strings.Repeat("a", 1000), "Hello " + strings.Repeat("a", 60) + ","},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text, err := message(func(m *notify.Message) { m.Name = tt.in }).Render()
			if got, _, _ := strings.Cut(text.Body, "\n"); err != nil || got != tt.greeting {
				t.Errorf("greeting = %q, %v, want %q", got, err, tt.greeting)
			}
		})
	}
	t.Run("brand", func(t *testing.T) {
		text, err := message(func(m *notify.Message) { m.Brand = "Acme\r\nBcc: all@example.com\n\n" }).Render()
		if err != nil || strings.ContainsAny(text.Subject, "\r\n") || text.Subject != "Acme Bcc: all@example.com: your recovery code" {
			t.Errorf("subject = %q, %v, want one line", text.Subject, err)
		}
	})
	t.Run("brand with verbs", func(t *testing.T) {
		text, err := message(func(m *notify.Message) { m.Brand, m.Name = "100 %d %[2]s", "%s" }).Render()
		if err != nil || text.Subject != "100 %d %[2]s: your recovery code" {
			t.Errorf("subject = %q, %v, want the brand as it is", text.Subject, err)
		}
	})
	t.Run("no brand", func(t *testing.T) {
		if text, err := message(func(m *notify.Message) { m.Brand = " \n" }).Render(); err != nil || text.Subject != "Gatehouse: your recovery code" {
			t.Errorf("subject = %q, %v, want ours", text.Subject, err)
		}
	})
}

func TestRenderRefuses(t *testing.T) {
	for name, change := range map[string]func(m *notify.Message){
		"a kind without words":    func(m *notify.Message) { m.Kind = "newsletter" },
		"no code":                 func(m *notify.Message) { m.Code = "" },
		"a code with a line end":  func(m *notify.Message) { m.Code = "ABCD\n2345" },
		"a code that is no ASCII": func(m *notify.Message) { m.Code = "ÄBCD2345" },
	} {
		if _, err := message(change).Render(); err == nil || strings.Contains(err.Error(), "2345") {
			t.Errorf("%s: error = %v, want one without the code", name, err)
		}
	}
}

func TestCheckAddress(t *testing.T) {
	long := strings.Repeat("a", 63)
	tests := []struct {
		name, in string
		ok       bool
	}{
		{"plain", "alice@example.com", true},
		{"plus", "alice+tag@example.com", true},
		{"one label", "alice@localhost", true},
		{"apostrophe", "o'neil@example.com", true},
		{"64 characters before the at sign", strings.Repeat("a", 64) + "@example.com", true},
		{"65 characters before the at sign", strings.Repeat("a", 65) + "@example.com", false},
		{"254 bytes", strings.Repeat("a", 60) + "@" + long + "." + long + "." + long + ".c", true},
		{"255 bytes", strings.Repeat("a", 61) + "@" + long + "." + long + "." + long + ".c", false},
		{"nothing", "", false},
		{"no at sign", "alice", false},
		{"nothing before it", "@example.com", false},
		{"nothing behind it", "alice@", false},
		{"two of them", "alice@bob@example.com", false},
		{"two addresses", "alice@example.com,bob@example.com", false},
		{"display name", "Alice <alice@example.com>", false},
		{"angle brackets", "<alice@example.com>", false},
		{"comment", "alice@example.com(x)", false},
		{"quoted", `"alice"@example.com`, false},
		{"space", "al ice@example.com", false},
		{"space in front", " alice@example.com", false},
		{"line end", "alice@example.com\r\nBcc: bob@example.com", false},
		{"NUL", "alice@example.com\x00", false},
		{"tab in the host", "alice@exam\tple.com", false},
		{"not ASCII", "älice@example.com", false},
		{"host not ASCII", "alice@exämple.com", false},
		{"host in punycode", "alice@xn--exmple-cua.com", true},
		{"address literal", "alice@[192.0.2.1]", false},
		{"empty label", "alice@example..com", false},
		{"dot at the end", "alice@example.com.", false},
		{"two dots in a row", "al..ice@example.com", false},
		{"dot in front", ".alice@example.com", false},
		{"label with a hyphen in front", "alice@-example.com", false},
		{"label of 64", "alice@" + long + "a.com", false},
		{"option for a mailer", "-oQ/tmp@example.com", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := notify.CheckAddress(tt.in); (err == nil) != tt.ok {
				t.Errorf("CheckAddress(%q) = %v, want an error: %v", tt.in, err, !tt.ok)
			}
		})
	}
}

func FuzzCheckAddress(f *testing.F) {
	for _, s := range []string{"alice@example.com", "a@b\r\nc", `"a b"@c`, "a@[::1]", "a@b,c@d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if notify.CheckAddress(s) == nil && (strings.ContainsAny(s, "\r\n\t \x00,;<>()\"\\") || strings.Count(s, "@") != 1) {
			t.Errorf("accepted %q", s)
		}
	})
}

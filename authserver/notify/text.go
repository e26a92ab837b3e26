package notify

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// Text is a message as a person reads it: plain text, lines end in "\n".
type Text struct {
	Subject, Body string
	Language      string // of both, BCP 47
}

// wording is one kind of message in one language. %[1]s is the brand, %[2]s the
// code.
type wording struct{ subject, body string }

type language struct {
	greeting string // %s is the name
	hello    string // without a name
	kinds    map[Kind]wording
}

var languages = map[string]language{
	"en": {
		greeting: "Hello %s,", hello: "Hello,",
		kinds: map[Kind]wording{
			RecoveryCode: {
				"%[1]s: your recovery code",
				`Somebody, probably you, asked for a new password at %[1]s. This is the
recovery code. It can be used once, within five minutes:

    %[2]s

If it was not you, there is nothing to do: your password has not changed.
Give this code to nobody. We never ask for it by telephone or e-mail.
`,
			},
			VerificationCode: {
				"%[1]s: confirm your e-mail address",
				`This address was given for an account at %[1]s. To confirm that it is yours,
enter this code:

    %[2]s

If you have no such account, there is nothing to do.
Give this code to nobody. We never ask for it by telephone or e-mail.
`,
			},
		},
	},
	"de": {
		greeting: "Guten Tag %s,", hello: "Guten Tag,",
		kinds: map[Kind]wording{
			RecoveryCode: {
				"%[1]s: Ihr Wiederherstellungscode",
				`jemand, vermutlich Sie, hat bei %[1]s ein neues Passwort angefordert. Dies ist
der Wiederherstellungscode. Er gilt einmal und nur fünf Minuten lang:

    %[2]s

Wenn Sie das nicht waren, müssen Sie nichts tun: Ihr Passwort ist unverändert.
Geben Sie diesen Code niemandem. Wir fragen nie per Telefon oder E-Mail danach.
`,
			},
			VerificationCode: {
				"%[1]s: Bitte bestätigen Sie Ihre E-Mail-Adresse",
				`diese Adresse wurde für ein Konto bei %[1]s angegeben. Um zu bestätigen, dass
es Ihre ist, geben Sie bitte diesen Code ein:

    %[2]s

Wenn Sie kein solches Konto haben, müssen Sie nichts tun.
Geben Sie diesen Code niemandem. Wir fragen nie per Telefon oder E-Mail danach.
`,
			},
		},
	},
}

// The longest brand and name that are shown, in characters.
const (
	maxBrand = 80
	maxName  = 60
)

// Render puts m into words. What others chose, the name above all, cannot break
// out of its place: names that look like more than a name are left out, since
// whoever registers somebody else's address would write their advertisement
// there.
func (m Message) Render() (Text, error) {
	tag := m.language()
	lang := languages[tag]
	words, ok := lang.kinds[m.Kind]
	if !ok {
		return Text{}, fmt.Errorf("notify: no words for a message of kind %q", m.Kind)
	}
	if !printable(m.Code) {
		return Text{}, errors.New("notify: the code is empty or not printable")
	}
	brand := oneLine(m.Brand, maxBrand)
	if brand == "" {
		brand = "Gatehouse"
	}
	hello := lang.hello
	if name := oneLine(m.Name, maxName); plainName(name) {
		hello = fmt.Sprintf(lang.greeting, name)
	}
	return Text{
		Subject:  fmt.Sprintf(words.subject, brand),
		Body:     hello + "\n\n" + fmt.Sprintf(words.body, brand, m.Code) + "\n-- \n" + brand + "\n",
		Language: tag,
	}, nil
}

// language is the one of ours that fits Locale best (RFC 4647 §3.4, one step).
func (m Message) language() string {
	primary, _, _ := strings.Cut(strings.ReplaceAll(strings.ToLower(m.Locale), "_", "-"), "-")
	if _, ok := languages[primary]; ok {
		return primary
	}
	return "en"
}

// oneLine makes text that stays on its line: control and format characters
// (line ends, bidirectional overrides) become spaces, runs of spaces one.
func oneLine(text string, longest int) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsGraphic(r) && r != unicode.ReplacementChar {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(text, " "))
	runes := []rune(strings.Join(strings.Fields(text), " "))
	if len(runes) > longest {
		runes = runes[:longest]
	}
	return strings.TrimSpace(string(runes))
}

// plainName reports whether text is made of what names are made of. No digits,
// dots and slashes: nobody's mail program makes a link of what is left.
func plainName(text string) bool {
	for _, r := range text {
		if !unicode.IsLetter(r) && !unicode.IsMark(r) && !strings.ContainsRune(" -'’", r) {
			return false
		}
	}
	return text != ""
}

func printable(code string) bool {
	for i := range len(code) {
		if code[i] <= ' ' || code[i] > '~' {
			return false
		}
	}
	return code != ""
}

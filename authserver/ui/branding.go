package ui

import (
	"fmt"
	"html/template"
	"math"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// defaultColor is Gatehouse's own.
const defaultColor = "#1f5fbf"

// The backgrounds on which accents must be readable; style.css has the same.
var (
	lightGround = color{0xf4, 0xf5, 0xf7}
	darkGround  = color{0x1b, 0x1f, 0x27}
)

// brand is what an environment looks like.
type brand struct {
	Name    string
	Logo    string // "" where there is none
	Initial string // stands in for a logo
	style   *sheet
}

// brandOf reads the branding of an environment; nil has Gatehouse's own. What is
// no colour, or no address of an image, counts as left out.
func brandOf(env *store.Environment) brand {
	b := brand{Name: "Gatehouse"}
	hex := ""
	if env != nil {
		hex = env.Branding.Color
		switch {
		case env.Branding.Name != "":
			b.Name = env.Branding.Name
		case env.Name != "":
			b.Name = env.Name
		}
		if logo := env.Branding.LogoURL; webAddress(logo) || localPath(logo) {
			b.Logo = logo
		}
	}
	b.Initial = initial(b.Name)
	b.style = palettes.of(hex)
	return b
}

// localPath reports whether s is a path of the same origin.
func localPath(s string) bool {
	return strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "//") && !strings.ContainsAny(s, "\\ \t\r\n\"'<>")
}

// initial is the first letter or digit of a name, in upper case.
func initial(name string) string {
	for _, c := range name {
		if unicode.IsLetter(c) || unicode.IsDigit(c) {
			return string(unicode.ToUpper(c))
		}
	}
	if c, _ := utf8.DecodeRuneInString(name); c != utf8.RuneError && unicode.IsPrint(c) {
		return string(c)
	}
	return "·"
}

// sheet is the text of a style element and its hash for the policy.
type sheet struct {
	text   template.CSS
	digest string
}

func newSheet(text string) *sheet {
	return &sheet{template.CSS(text), digest(text)}
}

// maxPalettes bounds the memory for colours, which administrators choose.
const maxPalettes = 1024

// palettes remembers the style sheets of brand colours: few, and the same ones on
// every page. Safe for concurrent use.
var palettes = paletteCache{sheets: map[string]*sheet{}}

type paletteCache struct {
	mu     sync.RWMutex
	sheets map[string]*sheet
}

func (c *paletteCache) of(hex string) *sheet {
	c.mu.RLock()
	s := c.sheets[hex]
	c.mu.RUnlock()
	if s != nil {
		return s
	}
	s = newSheet(palette(hex))
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.sheets) < maxPalettes {
		c.sheets[hex] = s
	}
	return s
}

// palette is the style sheet of a brand colour: the colour itself for buttons with
// a text that is readable on it, and for links and outlines the nearest shade that
// is readable on the page, light and dark (WCAG 2.2 §1.4.3, §1.4.11).
func palette(hex string) string {
	c, ok := parseColor(hex)
	if !ok {
		c, _ = parseColor(defaultColor)
	}
	white, black := color{255, 255, 255}, color{0, 0, 0}
	text, pressed := white, black
	if contrast(c, black) > contrast(c, white) {
		text, pressed = black, white
	}
	// Nothing but numbers of our own making goes into the text.
	return fmt.Sprintf(
		":root{--brand:%s;--on-brand:%s;--brand-hover:%s;--accent:%s}@media (prefers-color-scheme:dark){:root{--accent:%s}}",
		c, text, c.mix(pressed, 0.14), readable(c, lightGround, black, 4.6), readable(c, darkGround, white, 6))
}

// color is red, green and blue of sRGB.
type color [3]uint8

func (c color) String() string { return fmt.Sprintf("#%02x%02x%02x", c[0], c[1], c[2]) }

// parseColor reads "#rrggbb".
func parseColor(s string) (color, bool) {
	if len(s) != 7 || s[0] != '#' {
		return color{}, false
	}
	var c color
	for i := range c {
		high, ok1 := hexDigit(s[1+2*i])
		low, ok2 := hexDigit(s[2+2*i])
		if !ok1 || !ok2 {
			return color{}, false
		}
		c[i] = high<<4 | low
	}
	return c, true
}

func hexDigit(d byte) (uint8, bool) {
	switch {
	case '0' <= d && d <= '9':
		return d - '0', true
	case 'a' <= d && d <= 'f':
		return d - 'a' + 10, true
	case 'A' <= d && d <= 'F':
		return d - 'A' + 10, true
	}
	return 0, false
}

// mix moves c towards other by a share of 0 to 1.
func (c color) mix(other color, share float64) color {
	for i := range c {
		c[i] = uint8(math.Round(float64(c[i])*(1-share) + float64(other[i])*share))
	}
	return c
}

// readable moves c towards end until its contrast with ground is ratio: 4.5 is
// required of text, and saturated colours on dark ground need more to look the same.
func readable(c, ground, end color, ratio float64) color {
	for share := 0.0; share < 1; share += 0.02 {
		if shade := c.mix(end, share); contrast(shade, ground) >= ratio {
			return shade
		}
	}
	return end
}

// contrast is the ratio of two colours, 1 to 21 (WCAG 2.2, "contrast ratio").
func contrast(a, b color) float64 {
	x, y := a.luminance(), b.luminance()
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func (c color) luminance() float64 {
	linear := func(v uint8) float64 {
		s := float64(v) / 255
		if s <= 0.04045 {
			return s / 12.92
		}
		return math.Pow((s+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(c[0]) + 0.7152*linear(c[1]) + 0.0722*linear(c[2])
}

package secret_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"sort"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
)

func TestNewDraws256BitsOfBase64URL(t *testing.T) {
	const n = 1000
	seen := make(map[string]bool, n)
	form := regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)
	for range n {
		v := secret.New().Reveal()
		if !form.MatchString(v) {
			t.Fatalf("got a secret of %d characters, want 43 of base64url", len(v))
		}
		seen[v] = true
	}
	if got := len(seen); got != n {
		t.Errorf("got %d different secrets, want %d", got, n)
	}
}

func TestValueIsRedactedHoweverItIsPrinted(t *testing.T) {
	const text = "hunter2-hunter2-hunter2"
	v := secret.Of(text)
	holder := struct {
		Name   string
		Secret secret.Value
		Ptr    *secret.Value
		hidden secret.Value // fmt prints it without calling its methods
	}{"x", v, &v, v}

	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("m", "v", v, "holder", holder)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "v", v, "holder", holder)
	encoded, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	asKey, err := json.Marshal(map[string]any{"v": []secret.Value{v}})
	if err != nil {
		t.Fatal(err)
	}
	outputs := map[string]string{
		"slog": log.String(), "json": string(encoded), "json in a slice": string(asKey),
		"String": v.String(), "GoString": v.GoString(), "error": fmt.Errorf("wrapped %v", v).Error(),
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%10.3s"} {
		outputs[verb] = fmt.Sprintf(verb, v)
		outputs[verb+" in a struct"] = fmt.Sprintf(verb, holder)
		outputs[verb+" by pointer"] = fmt.Sprintf(verb, &v)
	}
	for how, got := range outputs {
		for _, bad := range []string{text, fmt.Sprintf("%x", text), fmt.Sprintf("%X", text), text[:7]} {
			if strings.Contains(got, bad) {
				t.Errorf("%s: got %q, which has the secret in it", how, got)
			}
		}
		if !strings.Contains(how, "struct") && !strings.Contains(got, "[redacted]") {
			t.Errorf("%s: got %q, want [redacted] in it", how, got)
		}
	}
	if got := v.Reveal(); got != text {
		t.Errorf("Reveal = %q, want the secret", got)
	}
}

func TestEqual(t *testing.T) {
	long := strings.Repeat("a", 5000)
	tests := []struct {
		name string
		a, b string
		want bool
	}{
		{"the same", "demo-worker-secret", "demo-worker-secret", true},
		{"last byte differs", "demo-worker-secret", "demo-worker-secreT", false},
		{"a prefix", "demo-worker-secret", "demo-worker-secre", false},
		{"trailing NUL", "demo", "demo\x00", false},
		{"empty and something", "", "x", false},
		{"long, the same", long, long, true},
		{"long, one byte more", long, long + "a", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := secret.Equal([]byte(tt.a), []byte(tt.b)); got != tt.want {
				t.Errorf("Equal = %v, want %v", got, tt.want)
			}
			if got := secret.Of(tt.a).Equal(secret.Of(tt.b)); got != tt.want {
				t.Errorf("Value.Equal = %v, want %v", got, tt.want)
			}
			if got := secret.Of(tt.a).Hash() == secret.Of(tt.b).Hash(); got != tt.want {
				t.Errorf("the hashes are equal: %v, want %v", got, tt.want)
			}
		})
	}
	t.Run("an empty Value equals none", func(t *testing.T) {
		if secret.Of("").Equal(secret.Value{}) {
			t.Error("two empty Values are equal, want not")
		}
	})
}

func TestNewIDSortsByTime(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	ids := make([]string, 1000)
	for i := range ids {
		ids[i] = secret.NewID()
		if !form.MatchString(ids[i]) {
			t.Fatalf("got %q, want a lower-case UUID of version 7", ids[i])
		}
		if i > 0 && ids[i] == ids[i-1] {
			t.Fatalf("got %q twice", ids[i])
		}
	}
	if !sort.StringsAreSorted(ids) {
		t.Error("the IDs are not in the order of their making")
	}
}

func TestSealer(t *testing.T) {
	key := bytes.Repeat([]byte{7}, secret.KeySize)
	s, err := secret.NewSealer(key)
	if err != nil {
		t.Fatal(err)
	}
	plain, aad := []byte(`{"kty":"RSA"}`), []byte("env 1, key 1")
	sealed, err := s.Seal(plain, aad)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Open(sealed, aad)
	if err != nil || !bytes.Equal(got, plain) {
		t.Fatalf("Open = %q, %v, want what was sealed", got, err)
	}

	t.Run("the text does not show", func(t *testing.T) {
		if bytes.Contains(sealed, plain) {
			t.Error("the sealed text has the plain text in it")
		}
	})
	t.Run("sealing twice gives two texts", func(t *testing.T) {
		again, _ := s.Seal(plain, aad)
		if bytes.Equal(again, sealed) {
			t.Error("both are the same, want a new nonce each time")
		}
	})
	t.Run("an empty text", func(t *testing.T) {
		sealed, _ := s.Seal(nil, nil)
		if got, err := s.Open(sealed, nil); err != nil || len(got) != 0 {
			t.Errorf("Open = %q, %v, want nothing and no error", got, err)
		}
	})
	t.Run("the same master key opens after a restart", func(t *testing.T) {
		again, _ := secret.NewSealer(key)
		if got, err := again.Open(sealed, aad); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("Open = %q, %v, want what was sealed", got, err)
		}
	})

	other, _ := secret.NewSealer(bytes.Repeat([]byte{8}, secret.KeySize))
	refused := []struct {
		name        string
		s           *secret.Sealer
		sealed, aad []byte
	}{
		{"another key", other, sealed, aad},
		{"another record", s, sealed, []byte("env 1, key 2")},
		{"no associated data", s, sealed, nil},
		{"nothing", s, nil, aad},
		{"the version alone", s, sealed[:1], aad},
		{"one byte short", s, sealed[:len(sealed)-1], aad},
		{"one byte more", s, append(bytes.Clone(sealed), 0), aad},
	}
	for _, tt := range refused {
		t.Run("refused: "+tt.name, func(t *testing.T) {
			if got, err := tt.s.Open(tt.sealed, tt.aad); !errors.Is(err, secret.ErrUnsealed) || got != nil {
				t.Errorf("Open = %q, %v, want ErrUnsealed", got, err)
			}
		})
	}
	t.Run("refused: any bit flipped", func(t *testing.T) {
		for i := range sealed {
			bad := bytes.Clone(sealed)
			bad[i] ^= 1
			if _, err := s.Open(bad, aad); !errors.Is(err, secret.ErrUnsealed) {
				t.Fatalf("byte %d: error = %v, want ErrUnsealed", i, err)
			}
		}
	})
	for _, n := range []int{0, 16, 31, 33, 64} {
		t.Run(fmt.Sprintf("refused: a master key of %d bytes", n), func(t *testing.T) {
			if _, err := secret.NewSealer(make([]byte, n)); err == nil {
				t.Error("no error, want the length to be refused")
			}
		})
	}
	t.Run("refused: too long a text", func(t *testing.T) {
		if _, err := s.Seal(make([]byte, secret.MaxSealed+1), nil); err == nil {
			t.Error("no error, want the length to be refused")
		}
	})
	t.Run("prints nothing of its key", func(t *testing.T) {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			if got := fmt.Sprintf(verb, s); got != "[redacted]" {
				t.Errorf("%s = %q, want [redacted]", verb, got)
			}
		}
	})
}

// The sealed form is on disks: this text was sealed by the first version.
func TestSealerOpensWhatWasSealedBefore(t *testing.T) {
	s, err := secret.NewSealer([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := hex.DecodeString("015cbda4b40117f36301cd9dedfae796a28354fa2ba8079cb8b84db95542178b7896632a71dfbf")
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Open(sealed, []byte("aad"))
	if err != nil || string(got) != "plain text" {
		t.Errorf("Open = %q, %v, want %q", got, err, "plain text")
	}
}

func TestSubkey(t *testing.T) {
	sealer := func(b byte) *secret.Sealer {
		s, err := secret.NewSealer(bytes.Repeat([]byte{b}, secret.KeySize))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	first := sealer(7).Subkey("one use")
	if len(first) != 32 {
		t.Errorf("got %d bytes, want 32", len(first))
	}
	if again := sealer(7).Subkey("one use"); !bytes.Equal(first, again) {
		t.Error("another node has another key, want the same")
	}
	for name, other := range map[string][]byte{
		"another use": sealer(7).Subkey("another use"), "another master key": sealer(8).Subkey("one use"),
		"the master key": bytes.Repeat([]byte{7}, secret.KeySize),
	} {
		if bytes.Equal(first, other) {
			t.Errorf("%s: the same key, want another", name)
		}
	}
}

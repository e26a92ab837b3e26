package identity_test

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/caddy-gatehouse/gatehouse/authserver/identity"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// set makes a password somebody's as an administrator does, and stores it.
func (k *kit) set(t testing.TB, user *store.User, p identity.NewPassword) error {
	t.Helper()
	edit, err := k.SetPassword(t.Context(), k.env, user, p)
	if err != nil {
		return err
	}
	k.apply(t, user, edit)
	return nil
}

// apply stores an edit, as directory.Writer does.
func (k *kit) apply(t testing.TB, user *store.User, edit identity.Edit) {
	t.Helper()
	cred := k.credential(t, user.ID)
	changed := *user
	if err := edit(&changed, &cred); err != nil {
		t.Fatal(err)
	}
	if err := k.store.PutCredential(t.Context(), cred); err != nil {
		t.Fatal(err)
	}
}

func (k *kit) credential(t testing.TB, subject string) store.Credential {
	t.Helper()
	cred, err := k.store.CredentialOf(t.Context(), envID, subject)
	if err != nil {
		return store.Credential{Environment: envID, Subject: subject}
	}
	return cred
}

// ssha is a salted digest: base64 of the digest and the salt.
func ssha(name string, digest func() hash.Hash, password, salt string) string {
	h := digest()
	h.Write([]byte(password + salt))
	return "{" + name + "}" + base64.StdEncoding.EncodeToString(append(h.Sum(nil), salt...))
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func bcrypted(t testing.TB, password string) string {
	t.Helper()
	b, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A password that another system hashed is right at the first sign-on, and then kept as every other is.
func TestEncodedPasswords(t *testing.T) {
	// RFC 6070 §2, the fourth vector.
	rfc6070 := base64.StdEncoding.EncodeToString(append(unhex(t, "4b007901b765489abead49d926f721d065a429c1"), "salt"...))
	tests := []struct{ name, encoded, password string }{
		{"argon2id", "{ARGON2}" + phcOf(t, goodPassword), goodPassword},
		{"argon2id by its own name", "{ARGON2ID}" + phcOf(t, goodPassword), goodPassword},
		{"bcrypt", "{BCRYPT}" + bcrypted(t, goodPassword), goodPassword},
		{"bcrypt 2b, in lower case", "{bcrypt}" + strings.Replace(bcrypted(t, goodPassword), "$2a$", "$2b$", 1), goodPassword},
		{"bcrypt 2y", "{BCRYPT}" + strings.Replace(bcrypted(t, goodPassword), "$2a$", "$2y$", 1), goodPassword},
		{"PBKDF2 with SHA-1", "{PBKDF2}4096:" + rfc6070, "password"},
		{"PBKDF2 with SHA-1 by its name", "{PBKDF2-HMAC-SHA1}4096:" + rfc6070, "password"},
		// As a directory of ForgeRock writes "password".
		{"PBKDF2 with SHA-256", "{PBKDF2-HMAC-SHA256}10000:xKsMmlzVLRYdYzcgBuD3ZIAeSj8tNhjDHGFDqhth8Kcbw5qjL5UZxaiS2awL1HjO", "password"},
		{"SSHA", ssha("SSHA", sha1.New, goodPassword, "12345678"), goodPassword},
		{"SSHA256", ssha("SSHA256", sha256.New, goodPassword, "12345678"), goodPassword},
		{"SSHA384", ssha("SSHA384", sha512.New384, goodPassword, "12345678"), goodPassword},
		{"SSHA512", ssha("SSHA512", sha512.New, goodPassword, "12345678"), goodPassword},
		{"SSHA512 without padding", strings.TrimRight(ssha("SSHA512", sha512.New, goodPassword, "1234567"), "="), goodPassword},
		{"not in normal form", ssha("SSHA256", sha256.New, "cafe\u0301-au-lait", "12345678"), "cafe\u0301-au-lait"},
		{"in normal form, typed otherwise", ssha("SSHA256", sha256.New, "caf\u00e9-au-lait", "12345678"), "cafe\u0301-au-lait"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := newKit(t)
			bob := k.register(t, "bob", "the-one-before")
			if err := k.set(t, bob, identity.NewPassword{Value: tt.encoded}); err != nil {
				t.Fatal(err)
			}
			if got := k.check(t, "bob", "the-one-before"); got != identity.InvalidCredentials {
				t.Errorf("the one before: %q", got)
			}
			if got := k.check(t, "bob", tt.encoded); got != identity.InvalidCredentials {
				t.Errorf("the encoded one typed as a password: %q", got)
			}
			if got := k.check(t, "bob", tt.password); got != "" {
				t.Fatalf("%q, want it accepted", got)
			}
			if kept := k.credential(t, bob.ID).Password; !strings.HasPrefix(kept, "$argon2id$v=19$m=64,t=1,p=1$") {
				t.Errorf("kept as %.20q, want it replaced", kept)
			}
			if got := k.check(t, "bob", tt.password); got != "" {
				t.Errorf("the second time: %q", got)
			}
			if got := k.check(t, "bob", tt.password+"x"); got != identity.InvalidCredentials {
				t.Errorf("another one: %q", got)
			}
		})
	}
}

func TestEncodedPasswordsRefused(t *testing.T) {
	k := newKit(t)
	bob := k.register(t, "bob", goodPassword)
	sum := sha256.Sum256([]byte("x"))
	for name, value := range map[string]string{
		"unknown scheme":               "{ROT13}grfg",
		"a scheme without a salt":      "{SHA256}" + base64.StdEncoding.EncodeToString(sum[:]),
		"nothing behind the scheme":    "{SSHA256}",
		"no salt":                      "{SSHA256}" + base64.StdEncoding.EncodeToString(sum[:]),
		"a salt of 65 bytes":           "{SSHA256}" + base64.StdEncoding.EncodeToString(append(sum[:], make([]byte, 65)...)),
		"no base64":                    "{SSHA256}!!!!" + base64.StdEncoding.EncodeToString(append(sum[:], 1, 2, 3, 4)),
		"a line break":                 "{SSHA256}\n" + base64.StdEncoding.EncodeToString(append(sum[:], 1, 2, 3, 4)),
		"bcrypt of a cost beyond":      "{BCRYPT}" + strings.Replace(bcrypted(t, goodPassword), "$04$", "$15$", 1),
		"bcrypt cut":                   "{BCRYPT}" + bcrypted(t, goodPassword)[:59],
		"bcrypt of no version":         "{BCRYPT}$9z$10$abcdefghijklmnopqrstuuVGmkxXrXrjA9hBcdefghijklmnopqrstuv",
		"PBKDF2 without iterations":    "{PBKDF2}" + base64.StdEncoding.EncodeToString(append(sum[:20], 1, 2, 3, 4)),
		"PBKDF2 of no iteration":       "{PBKDF2}0:" + base64.StdEncoding.EncodeToString(append(sum[:20], 1, 2, 3, 4)),
		"PBKDF2 of too many":           "{PBKDF2}2000001:" + base64.StdEncoding.EncodeToString(append(sum[:20], 1, 2, 3, 4)),
		"PBKDF2 of an unknown digest":  "{PBKDF2-HMAC-MD5}10:" + base64.StdEncoding.EncodeToString(append(sum[:20], 1, 2, 3, 4)),
		"argon2i":                      "{ARGON2}" + strings.Replace(phcOf(t, goodPassword), "argon2id", "argon2i", 1),
		"argon2id of too much memory":  "{ARGON2}" + strings.Replace(phcOf(t, goodPassword), "m=64", "m=2000000", 1),
		"more than 1024 bytes":         "{SSHA256}" + strings.Repeat("A", 1024),
		"the scheme of something else": "{CLEAR}" + goodPassword,
	} {
		t.Run(name, func(t *testing.T) {
			err := k.set(t, bob, identity.NewPassword{Value: value, BypassPolicy: true})
			if got := code(t, err); got != identity.InvalidValue || target(err) != "value" {
				t.Errorf("got %q on %q, want INVALID_VALUE on value", got, target(err))
			}
			if got := k.check(t, "bob", goodPassword); got != "" {
				t.Errorf("the one before: %q, want it accepted", got)
			}
		})
	}
}

// A declared password that looks like an encoded one is a password as it is.
func TestDeclaredPasswordIsNeverEncoded(t *testing.T) {
	k := newKit(t)
	declared := ssha("SSHA256", sha256.New, goodPassword, "12345678")
	k.declare(&store.User{ID: carol, Username: "carol", Password: declared})
	if got := k.check(t, "carol", goodPassword); got != identity.InvalidCredentials {
		t.Errorf("what it would stand for: %q, want it refused", got)
	}
	if got := k.check(t, "carol", declared); got != "" {
		t.Errorf("itself: %q, want it accepted", got)
	}
}

// FuzzEncoded: no panic; what is kept of what is accepted is kept again as it is.
func FuzzEncoded(f *testing.F) {
	f.Add("{BCRYPT}" + bcrypted(f, "x"))
	f.Add("{PBKDF2}4096:SwB5AbdlSJq+rUnZJvch0GWkKcFzYWx0")
	f.Add(ssha("SSHA512", sha512.New, "x", "y"))
	f.Add("{ARGON2}" + phcOf(f, goodPassword))
	f.Add("{}")
	f.Fuzz(func(t *testing.T, value string) {
		kept, err := identity.KeepEncoded(value)
		if err != nil {
			return
		}
		if strings.HasPrefix(kept, "$argon2id$") {
			kept = "{ARGON2}" + kept
		}
		again, err := identity.KeepEncoded(kept)
		if err != nil || again != kept && "{ARGON2}"+again != kept {
			t.Fatalf("%q is kept as %q, and that as %q, %v", value, kept, again, err)
		}
	})
}

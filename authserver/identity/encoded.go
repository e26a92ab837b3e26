package identity

import (
	"context"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"hash"
	"strconv"
	"strings"

	"golang.org/x/crypto/bcrypt"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/pattern"
)

// What is accepted in an encoded password. Costs beyond these would be a way to
// stop the server, not to protect a password.
const (
	maxEncoded    = 1024 // bytes
	maxIterations = 2_000_000
	maxBcryptCost = 14
	maxOldSalt    = 64 // bytes; of schemes other than argon2id
)

var errEncoded = errors.New("the scheme is not known, or what follows it is not what the scheme says")

// scheme is what an encoded password begins with.
var scheme = pattern.New(`^\{([A-Za-z0-9_-]{1,32})\}`)

// digests of SSHA and of PBKDF2, by the name of the scheme.
var (
	salted = map[string]func() hash.Hash{
		"SSHA": sha1.New, "SSHA256": sha256.New, "SSHA384": sha512.New384, "SSHA512": sha512.New,
	}
	iterated = map[string]func() hash.Hash{
		"PBKDF2": sha1.New, "PBKDF2-HMAC-SHA1": sha1.New, "PBKDF2-HMAC-SHA256": sha256.New, "PBKDF2-HMAC-SHA512": sha512.New,
	}
)

// encoded is a password hash that another system made: what it is verified by.
type encoded struct {
	bcrypt     []byte           // a whole bcrypt hash, or:
	digest     func() hash.Hash // of salt and sum
	iterations int              // of PBKDF2; 0 for a plain salted digest
	salt, sum  []byte
}

// Encoded reports whether what somebody sets as a password is the hash of one, with
// its scheme in braces before: "{SSHA512}…".
func Encoded(value string) bool { return scheme.MatchString(value) }

// keepEncoded gives what a credential keeps of an encoded password. Schemes are
//
//	{ARGON2} or {ARGON2ID}          an argon2id PHC string
//	{BCRYPT}                        "$2b$12$…" (also 2a and 2y)
//	{PBKDF2} or {PBKDF2-HMAC-SHA1},
//	{PBKDF2-HMAC-SHA256|SHA512}     "<iterations>:" and base64 of digest and salt
//	{SSHA}, {SSHA256|384|512}       base64 of digest and salt (RFC 2307's, with the hash's own size)
//
// in any case. What cannot be verified later is an error.
func keepEncoded(value string) (string, error) {
	name, rest := schemeOf(value)
	if len(value) > maxEncoded {
		return "", errEncoded
	}
	if name == "ARGON2" || name == "ARGON2ID" {
		p, err := parsePHC(rest)
		if err != nil {
			return "", errEncoded
		}
		return p.String(), nil
	}
	if _, err := parseEncoded(value); err != nil {
		return "", err
	}
	return "{" + name + "}" + rest, nil
}

func schemeOf(value string) (name, rest string) {
	found := scheme.FindStringSubmatch(value)
	if found == nil {
		return "", value
	}
	return strings.ToUpper(found[1]), value[len(found[0]):]
}

// parseEncoded reads what keepEncoded kept, but for argon2id.
func parseEncoded(value string) (*encoded, error) {
	name, rest := schemeOf(value)
	if name == "BCRYPT" {
		cost, err := bcrypt.Cost([]byte(rest))
		if err != nil || cost > maxBcryptCost || len(rest) != 60 {
			return nil, errEncoded
		}
		return &encoded{bcrypt: []byte(rest)}, nil
	}
	if digest := salted[name]; digest != nil {
		e := &encoded{digest: digest}
		return e, e.split(rest)
	}
	digest := iterated[name]
	if digest == nil {
		return nil, errEncoded
	}
	count, rest, ok := strings.Cut(rest, ":")
	iterations, err := strconv.ParseUint(count, 10, 32)
	if !ok || err != nil || iterations < 1 || iterations > maxIterations {
		return nil, errEncoded
	}
	e := &encoded{digest: digest, iterations: int(iterations)}
	return e, e.split(rest)
}

// split reads base64 of a digest and the salt behind it.
func (e *encoded) split(text string) error {
	if strings.ContainsAny(text, "\r\n") { // the decoder would skip them
		return errEncoded
	}
	b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	size := e.digest().Size()
	if err != nil || len(b) <= size || len(b) > size+maxOldSalt {
		return errEncoded // one without a salt, too
	}
	e.sum, e.salt = b[:size], b[size:]
	return nil
}

// is reports whether password is the one.
func (e *encoded) is(password string) bool {
	switch {
	case e.bcrypt != nil:
		return bcrypt.CompareHashAndPassword(e.bcrypt, []byte(password)) == nil
	case e.iterations > 0:
		got, err := pbkdf2.Key(e.digest, password, e.salt, e.iterations, len(e.sum))
		return err == nil && subtle.ConstantTimeCompare(got, e.sum) == 1
	}
	h := e.digest()
	h.Write([]byte(password))
	h.Write(e.salt)
	return subtle.ConstantTimeCompare(h.Sum(nil), e.sum) == 1
}

// matchesEncoded verifies a password against a hash of another system. Those were
// made of what was typed as it was typed, or in normal form.
func (u *Users) matchesEncoded(ctx context.Context, kept, password string) (good bool, err error) {
	e, err := parseEncoded(kept)
	if err != nil {
		return false, nil // somebody has damaged it: then nothing is right
	}
	err = u.slot(ctx, func() {
		good = e.is(password)
		if normal := prepare(password); !good && normal != password {
			good = e.is(normal)
		}
	})
	return good && err == nil, err
}

package identity

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// phcPrefix tells an argon2id PHC string from a password.
const phcPrefix = "$argon2id$"

// phc is an argon2id hash in PHC string format.
type phc struct {
	cost
	salt, hash []byte
}

// Bounds of what is accepted in a PHC string. Costs beyond these would be a way
// to stop the server, not to protect a password; salts and hashes below are no protection
// (RFC 9106 §3.1, §4).
const (
	maxMemory, maxPasses, maxLanes = 1 << 20, 64, 64
	minSalt, maxSalt               = 8, 64
	minHash, maxHash               = 16, 64
)

var errPHC = errors.New("not an argon2id PHC string that can be used here")

// parsePHC reads "$argon2id$v=19$m=<KiB>,t=<passes>,p=<lanes>$<salt>$<hash>". It accepts one
// spelling of each value: what it accepts, String gives back byte for byte.
func parsePHC(s string) (*phc, error) {
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != "v="+strconv.Itoa(argon2.Version) {
		return nil, errPHC
	}
	settings := strings.Split(parts[3], ",")
	if len(settings) != 3 {
		return nil, errPHC
	}
	memory, ok1 := number(settings[0], "m=", maxMemory)
	passes, ok2 := number(settings[1], "t=", maxPasses)
	lanes, ok3 := number(settings[2], "p=", maxLanes)
	if !ok1 || !ok2 || !ok3 || memory < 8*lanes {
		return nil, errPHC
	}
	p := &phc{cost: cost{memory: memory, passes: passes, lanes: uint8(lanes)}}
	var err error
	if p.salt, err = decode(parts[4], minSalt, maxSalt); err != nil {
		return nil, err
	}
	if p.hash, err = decode(parts[5], minHash, maxHash); err != nil {
		return nil, err
	}
	return p, nil
}

// number reads a decimal number from 1 to most without sign and leading zeros.
func number(s, prefix string, most uint64) (uint32, bool) {
	digits, ok := strings.CutPrefix(s, prefix)
	if !ok || digits == "" || digits[0] < '1' || digits[0] > '9' {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	return uint32(n), err == nil && n <= most
}

func decode(s string, least, most int) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") { // the decoder would skip them
		return nil, errPHC
	}
	b, err := base64.RawStdEncoding.Strict().DecodeString(s)
	if err != nil || len(b) < least || len(b) > most {
		return nil, errPHC
	}
	return b, nil
}

func (p *phc) String() string {
	enc := base64.RawStdEncoding
	return fmt.Sprintf("%sv=%d$m=%d,t=%d,p=%d$%s$%s", phcPrefix, argon2.Version, p.memory, p.passes, p.lanes,
		enc.EncodeToString(p.salt), enc.EncodeToString(p.hash))
}

// CheckDeclared says what is wrong with a declared password: one that looks like
// a PHC string and cannot be used as one would lock its user out. Anything else is a password as it is.
func CheckDeclared(password string) error {
	if !strings.HasPrefix(password, "$argon2") {
		return nil
	}
	_, err := parsePHC(password)
	return err
}

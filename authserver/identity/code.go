package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"strings"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const (
	codeLength = 8
	// codeAlphabet leaves out I, L, O, 0 and 1, which people mistake for each other.
	codeAlphabet = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
	// codeTries is how many wrong ones make a code void: 5 in 31^8.
	codeTries = 5

	recoveryLife = 5 * time.Minute // PingOne's

	purposeRecovery     = "recovery"
	purposeVerification = "verification"
)

// NewCode draws a code that people type: 8 characters of A-Z and 2-9 without look-alikes, almost 40 bits.
func NewCode() secret.Value {
	const fair = 256 / len(codeAlphabet) * len(codeAlphabet) // above, the first letters would come more often
	code := make([]byte, 0, codeLength)
	var b [16]byte
	for len(code) < codeLength {
		rand.Read(b[:]) // never fails
		for _, c := range b {
			if int(c) < fair && len(code) < codeLength {
				code = append(code, codeAlphabet[int(c)%len(codeAlphabet)])
			}
		}
	}
	return secret.Of(string(code))
}

// typed is a code as it was drawn, however it was typed.
func typed(code string) string {
	if len(code) > 64 {
		return ""
	}
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' || r == '\t' || r == '\u00a0' {
			return -1
		}
		return r
	}, strings.ToUpper(code))
}

// codeHash is what a credential keeps of a code. It costs what a password hash does, since 40
// bits are soon tried; and it is good for one purpose, person and address.
func (u *Users) codeHash(ctx context.Context, env *store.Environment, purpose, subject, address, code string) (store.Hash, error) {
	about := sha256.Sum256([]byte(purpose + "\x00" + env.ID + "\x00" + subject + "\x00" + address))
	return u.slowHash(ctx, costOf(env), code, "code\x00"+string(about[:]))
}

// putCode makes a new code for user, in place of an earlier one, and stores it.
func (u *Users) putCode(ctx context.Context, env *store.Environment, user *store.User, purpose string) (secret.Value, error) {
	code := u.NewCode()
	hash, err := u.codeHash(ctx, env, purpose, user.ID, email(user), code.Reveal())
	if err != nil {
		return secret.Value{}, err
	}
	err = u.change(ctx, env, user.ID, func(cred *store.Credential) (bool, error) {
		u.setCode(cred, purpose, hash)
		return true, nil
	})
	return code, err
}

func (u *Users) setCode(cred *store.Credential, purpose string, hash store.Hash) {
	cred.CodePurpose, cred.Code, cred.CodeTries, cred.CodeExpires = purpose, hash, 0, time.Time{}
	if purpose == purposeRecovery {
		cred.CodeExpires = u.Now().Add(recoveryLife)
	}
}

func clearCode(cred *store.Credential) {
	cred.CodePurpose, cred.Code, cred.CodeTries, cred.CodeExpires = "", store.Hash{}, 0, time.Time{}
}

// pending reports whether a code for purpose can still be used.
func pending(cred store.Credential, purpose string, now time.Time) bool {
	return cred.CodePurpose == purpose && cred.CodeTries < codeTries &&
		(cred.CodeExpires.IsZero() || now.Before(cred.CodeExpires))
}

func codeEqual(cred store.Credential, hash store.Hash) bool {
	return subtle.ConstantTimeCompare(cred.Code[:], hash[:]) == 1
}

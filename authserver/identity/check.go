package identity

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// attempts bounds how often a change is tried again after somebody else was
// quicker. Parallel guesses of one account are that many at most: they get no
// answer before they are counted.
const attempts = 200

// account is who a name stands for: a person and their credential, or nobody
// and a decoy's.
type account struct {
	user *store.User // nil: nobody
	name [sha256.Size]byte
	cred store.Credential
}

// CheckPassword proves who somebody is. Errors for the client are PingOne's:
// INVALID_CREDENTIALS for unknown, wrong and disabled alike, PASSWORD_LOCKED_OUT with
// secondsUntilUnlock (only after a right or wrong password of a locked account; unknown names lock in the same way),
// 429 REQUEST_LIMITED where one address tries too often. address is the client's.
func (u *Users) CheckPassword(ctx context.Context, env *store.Environment, username, password, address string) (*store.User, Standing, error) {
	u.ready()
	if err := u.limited(address); err != nil {
		u.Checked("limited")
		return nil, "", err
	}
	if err := present(targetUsername, username, targetPassword, password); err != nil {
		return nil, "", err
	}
	a, err := u.account(ctx, env, username)
	if err != nil {
		return nil, "", err
	}
	p, err := u.prove(ctx, env, a, password)
	if err != nil {
		return nil, "", err
	}
	switch p.outcome {
	case right:
		return a.user, u.standing(env, a.user, a.cred), nil
	case locked:
		return nil, "", lockedOut(p.until, u.Now())
	}
	return nil, "", invalidCredentials()
}

// account finds who a name stands for.
func (u *Users) account(ctx context.Context, env *store.Environment, username string) (*account, error) {
	user, err := u.lookup(ctx, env, username)
	if err != nil {
		return nil, err
	}
	a := &account{user: user, name: strangerKey(env, username)}
	a.cred, err = u.credential(ctx, env, a.subject())
	return a, err
}

// subject is whose credential is read and written.
func (a *account) subject() string {
	if a.user == nil {
		return decoy(a.name)
	}
	return a.user.ID
}

// decoy is the subject of the record that is read and written for a name that nobody has, so that both
// take as long as for one that somebody has. There are 16, which no user's ID can be.
func decoy(name [sha256.Size]byte) string { return fmt.Sprintf("decoy-%x", name[0]&15) }

// tally is what the account, or the name, has on it.
func (u *Users) tally(a *account) tally {
	if a.user == nil {
		return u.strangers.tally(a.name)
	}
	return tallyOf(a.cred)
}

// outcome of a password check, for Users.Checked too.
type outcome string

const (
	right    outcome = "ok"
	wrong    outcome = "invalid"
	locked   outcome = "locked"
	disabled outcome = "disabled" // right, and of no use
)

type proof struct {
	outcome outcome
	until   time.Time // with locked
}

// prove checks a password and counts the outcome; a.cred is then as stored. An error means that nothing
// was proven and nothing told.
//
// The guess that an account is locked by still learns that it is wrong; every
// later one learns nothing, right or wrong, whenever it began: guesses are judged
// when they are counted, not when they arrive.
func (u *Users) prove(ctx context.Context, env *store.Environment, a *account, password string) (proof, error) {
	t, now := u.tally(a), u.Now()
	if t.locked(now) {
		u.Checked(string(locked))
		return proof{locked, t.until}, nil
	}
	checked := a.cred
	good, stale, err := u.verify(ctx, env, a, password)
	if err != nil {
		return proof{}, err
	}
	fresh := ""
	if good && stale {
		if fresh, err = u.newHash(ctx, env, password); err != nil {
			return proof{}, err
		}
	}
	p := proof{outcome: wrong}
	if good {
		p.outcome = right
		if a.user.Disabled || barred(a.user) {
			p.outcome = disabled
		}
	}
	if p, err = u.settle(ctx, env, a, p, checked, fresh); err != nil {
		return proof{}, err
	}
	u.Checked(string(p.outcome))
	return p, nil
}

// verify computes one hash, whoever a is, and says whether password is right, and whether the hash
// of it that is kept costs something else than new ones do.
func (u *Users) verify(ctx context.Context, env *store.Environment, a *account, password string) (good, stale bool, err error) {
	if len(password) > maxPassword {
		password = password[:maxPassword]
		defer func() { good = false }()
	}
	kept := ""
	if a.user != nil {
		if kept, err = u.password(ctx, a.user, a.cred); err != nil {
			return false, false, err
		}
	}
	if kept != "" && kept == a.cred.Password && Encoded(kept) {
		// And the hash for nobody: most of those schemes take no time, which would tell.
		if _, err := u.matches(ctx, env, nil, password); err != nil {
			return false, false, err
		}
		good, err = u.matchesEncoded(ctx, kept, password)
		return good, true, err // replaced when it is right
	}
	var p *phc
	if strings.HasPrefix(kept, phcPrefix) {
		p, _ = parsePHC(kept) // nil, if somebody has damaged it: then nothing is right
	}
	good, err = u.matches(ctx, env, p, password)
	if p == nil && kept != "" && CheckDeclared(kept) == nil && err == nil {
		// A declared password as it is. The hash was computed for nobody, so that this takes as long.
		good = secret.Equal([]byte(prepare(kept)), []byte(prepare(password)))
	}
	return good, p != nil && p.cost != costOf(env), err
}

// password is the one that counts: a declared password or a PHC string; "" for none.
func (u *Users) password(ctx context.Context, user *store.User, cred store.Credential) (string, error) {
	if !user.Declared || cred.Password == "" {
		if user.Declared {
			return user.Password, nil
		}
		return cred.Password, nil
	}
	mark, err := u.mark(ctx, user)
	if err != nil {
		return "", err
	}
	if mark == cred.Overrides {
		return cred.Password, nil
	}
	return user.Password, nil // configuration declares another one by now
}

// mark recognises a declared password that was replaced. It is in the database, so it does not
// help to guess the password: of a PHC string a quick hash will do, of a password as it
// is a slow one. That is computed once for each, and its cost does not follow the environment's: a mark
// that changed would bring the old password back.
func (u *Users) mark(ctx context.Context, user *store.User) (store.Hash, error) {
	about := "declared\x00" + user.Environment + "\x00" + user.ID
	if strings.HasPrefix(user.Password, phcPrefix) {
		return sha256.Sum256([]byte(about + "\x00" + user.Password)), nil
	}
	key := sha256.Sum256([]byte(about + "\x00" + user.Password))
	if known, ok := u.marks.Load(key); ok {
		return known.(store.Hash), nil
	}
	mark, err := u.slowHash(ctx, defaultCost, user.Password, about)
	if err == nil {
		u.marks.Store(key, mark)
	}
	return mark, err
}

// settle counts p, on the account as it is by now. checked is the credential that p was found with.
func (u *Users) settle(ctx context.Context, env *store.Environment, a *account, p proof, checked store.Credential, fresh string) (proof, error) {
	if a.user == nil {
		return u.settleStranger(ctx, env, a)
	}
	rules := lockoutOf(env)
	for range attempts {
		cred, err := u.credential(ctx, env, a.user.ID)
		if err != nil {
			return proof{}, err
		}
		a.cred = cred
		now := u.Now()
		t := tallyOf(cred)
		if t.locked(now) {
			return proof{locked, t.until}, nil
		}
		switch {
		case cred.Password != checked.Password || cred.Overrides != checked.Overrides:
			p.outcome, fresh = wrong, "" // it was changed meanwhile
		case cred.Locked && p.outcome == right:
			// By an administrator. That it was right is told as little as that there is such an account.
			p.outcome, fresh = disabled, ""
		}
		next := cred
		switch {
		case p.outcome == right && fresh == "" && t.failures == 0 && t.until.IsZero():
			return p, nil
		case p.outcome == right:
			tally{}.into(&next)
			if fresh != "" {
				if err := u.setPassword(ctx, a.user, &next, fresh); err != nil {
					return proof{}, err
				}
			}
		case rules.attempts < 0:
			return p, nil
		default:
			t = t.fail(rules, now)
			t.into(&next)
			if t.locked(now) && !next.Locked {
				next.LockedAt = now
			}
		}
		switch err := u.put(ctx, &next); {
		case err == nil:
			a.cred = next
			return p, nil
		case !errors.Is(err, store.ErrConflict):
			return proof{}, err
		}
	}
	return proof{}, oauth.Unavailable(1, "Too many sign-ons of one account at once")
}

// settleStranger does for a name that nobody has what settle does.
func (u *Users) settleStranger(ctx context.Context, env *store.Environment, a *account) (proof, error) {
	rules, now := lockoutOf(env), u.Now()
	if rules.attempts < 0 {
		_, err := u.credential(ctx, env, a.subject())
		return proof{outcome: wrong}, err
	}
	t, counted := u.strangers.fail(a.name, rules, now)
	if !counted {
		_, err := u.credential(ctx, env, a.subject())
		return proof{locked, t.until}, err
	}
	return proof{outcome: wrong}, u.putDecoy(ctx, env, a.name)
}

// putDecoy writes what nobody reads, as often as it takes.
func (u *Users) putDecoy(ctx context.Context, env *store.Environment, name [sha256.Size]byte) error {
	for range attempts {
		cred, err := u.credential(ctx, env, decoy(name))
		if err != nil {
			return err
		}
		cred.LastFailure = u.Now()
		if err := u.put(ctx, &cred); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return nil
}

// put stores a credential; its version is then the stored one. store.ErrConflict: somebody was quicker.
func (u *Users) put(ctx context.Context, cred *store.Credential) error {
	err := u.Store.PutCredential(ctx, *cred)
	if err == nil {
		cred.Version++
		return nil
	}
	if errors.Is(err, store.ErrConflict) {
		return store.ErrConflict
	}
	return fmt.Errorf("write a credential: %w", err)
}

// setPassword writes a new hash into a credential. Times of change are the caller's.
func (u *Users) setPassword(ctx context.Context, user *store.User, cred *store.Credential, hash string) (err error) {
	cred.Password = hash
	if user.Declared {
		cred.Overrides, err = u.mark(ctx, user)
	}
	return err
}

package identity

import (
	"context"
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/notify"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Account is a registration.
type Account struct {
	Username, Email, Password string
	// Claims are name, given_name, family_name, middle_name, nickname, locale and zoneinfo, texts of at
	// most 256 bytes; any other is refused.
	Claims map[string]any
	Locale string // of the person, for the message
}

// registrable are the claims that people may say of themselves.
var registrable = map[string]bool{
	"name": true, "given_name": true, "family_name": true, "middle_name": true, "nickname": true,
	"locale": true, "zoneinfo": true,
}

const maxClaim = 256

// Register makes an unverified user and sends a verification code (8 characters, no time limit).
// UNIQUENESS_VIOLATION on username; INVALID_VALUE or REQUIRED_VALUE on username, email, password or a claim.
// Where OffersRegistration says no it is 400 INVALID_REQUEST. Without a Notifier nothing is sent.
//
// That a username is taken is told: PingOne does, and a person has to choose another.
func (u *Users) Register(ctx context.Context, env *store.Environment, a Account, address string) (*store.User, error) {
	u.ready()
	if !u.OffersRegistration(env) {
		return nil, notOffered("Registration")
	}
	if err := u.limited(address); err != nil {
		return nil, err
	}
	user, err := u.newUser(env, a)
	if err != nil {
		return nil, err
	}
	switch _, err := u.ByName(ctx, env, user.Username); {
	case err == nil:
		return nil, taken()
	case !errors.Is(err, store.ErrNotFound):
		return nil, err
	}
	if u.Population != nil {
		if user.Population, err = u.Population(ctx, env); err != nil {
			return nil, fmt.Errorf("register a user: %w", err)
		}
	}
	if u.Notifier != nil {
		if err := u.mailLimited(recipient(env, a.Email), address); err != nil {
			return nil, err
		}
	}
	cred := store.Credential{Environment: env.ID, Subject: user.ID, ChangedAt: user.CreatedAt}
	if cred.Password, err = u.newHash(ctx, env, a.Password); err != nil {
		return nil, err
	}
	var code secret.Value
	if u.Notifier != nil {
		code = u.NewCode()
		hash, err := u.codeHash(ctx, env, purposeVerification, user.ID, a.Email, code.Reveal())
		if err != nil {
			return nil, err
		}
		u.setCode(&cred, purposeVerification, hash)
	}
	if err := u.create(ctx, env, *user, cred); err != nil {
		return nil, err
	}
	if u.Notifier != nil {
		u.background(env, notify.VerificationCode, func(ctx context.Context) error {
			return u.send(ctx, env, user, notify.VerificationCode, a.Locale, code)
		})
	}
	return u.ByID(ctx, env, user.ID)
}

// newUser judges a registration; every fault is a detail.
func (u *Users) newUser(env *store.Environment, a Account) (*store.User, error) {
	username := Fold(a.Username)
	var faults []oauth.Detail
	switch {
	case username == "":
		faults = append(faults, required(targetUsername))
	case !validUsername(username):
		faults = append(faults, invalid(targetUsername, "The username has characters that it may not have, or too many"))
	}
	switch {
	case a.Email == "":
		faults = append(faults, required(targetEmail))
	case notify.CheckAddress(a.Email) != nil:
		faults = append(faults, invalid(targetEmail, "The e-mail address is not valid"))
	}
	if a.Password == "" {
		faults = append(faults, required(targetPassword))
	} else if failed := unsatisfied(env, a.Password, username, a.Email); failed != nil {
		faults = append(faults, weak(targetPassword, failed))
	}
	claims := map[string]any{"email": a.Email, "email_verified": false}
	for name, value := range a.Claims {
		text, ok := value.(string)
		if !ok || !registrable[name] || !plain(text) {
			faults = append(faults, invalid(name, "The value is not acceptable"))
		} else if text != "" {
			claims[name] = text
		}
	}
	if faults != nil {
		e := oauth.InvalidData(faults...)
		e.Reason = "invalid_value"
		return nil, e
	}
	now := u.Now()
	return &store.User{
		Environment: env.ID, ID: u.NewID(), Username: username, Claims: claims, CreatedAt: now, UpdatedAt: now, Version: 1,
	}, nil
}

// plain reports whether a claim's text is short, valid and without control characters.
func plain(text string) bool {
	if len(text) > maxClaim || !utf8.ValidString(text) {
		return false
	}
	for _, r := range text {
		if !unicode.IsGraphic(r) {
			return false
		}
	}
	return true
}

func taken() *oauth.Error {
	return refuse("The username is taken", "taken", oauth.Detail{
		Code: UniquenessViolation, Target: targetUsername, Message: "The username is taken",
	})
}

// create stores a user and their credential, or neither.
func (u *Users) create(ctx context.Context, env *store.Environment, user store.User, cred store.Credential) error {
	switch err := u.Store.PutUser(ctx, user); {
	case errors.Is(err, store.ErrExists):
		return taken()
	case err != nil:
		return fmt.Errorf("register a user: %w", err)
	}
	if err := u.put(ctx, &cred); err != nil {
		// Nobody could sign on, and nobody else could have the name.
		_ = u.Store.DeleteUser(context.WithoutCancel(ctx), env.ID, user.ID)
		return fmt.Errorf("register a user: %w", err)
	}
	return nil
}

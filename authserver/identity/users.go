package identity

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/limit"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/notify"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Users finds and changes people. Safe for concurrent use; at most as many
// passwords are hashed at once as there are CPUs.
type Users struct {
	Directory store.Directory // declared and stored users, read
	Store     interface {
		store.Users
		store.Credentials
	}
	// Notifier brings codes to people. nil: neither recovery nor verification is offered.
	Notifier notify.Notifier
	NewID    func() string
	NewCode  func() secret.Value // 8 characters of A-Z2-9 without look-alikes; default NewCode
	Now      func() time.Time
	// Checked is told the outcome of each password check: "ok", "invalid", "locked", "limited", "disabled".
	Checked func(outcome string)
	// Hashed is told how long each password hash took to compute, waiting not counted.
	Hashed func(time.Duration)
	// NoLimit exempts client addresses from the limits by address and by mail: those
	// of a test environment. nil exempts none. Lockouts know no exemption.
	NoLimit func(address string) bool
	// Population is what store.User.Population of people is who register. nil: the environment's first one.
	Population func(ctx context.Context, env *store.Environment) (string, error)
	// Log is told of messages that could not be sent, without address and code. Default: nobody.
	Log *slog.Logger

	once      sync.Once
	tries     limit.Limiter // by client address
	messages  limit.Limiter // by recipient, and by the name that was typed
	strangers strangers
	marks     sync.Map // what declared passwords are recognised by; see mark
	outgoing  queue
}

// The limits. A person who mistypes meets none of them.
const (
	triesBurst, triesRate      = 20, 1.0
	messageBurst, messagesRate = 3, 1.0 / 60
)

// ready fills in defaults.
func (u *Users) ready() {
	u.once.Do(func() {
		u.tries.Burst, u.tries.Rate, u.tries.Now = triesBurst, triesRate, u.Now
		u.messages.Burst, u.messages.Rate, u.messages.Now = messageBurst, messagesRate, u.Now
		if u.NewCode == nil {
			u.NewCode = NewCode
		}
		if u.Checked == nil {
			u.Checked = func(string) {}
		}
		if u.Hashed == nil {
			u.Hashed = func(time.Duration) {}
		}
		if u.NoLimit == nil {
			u.NoLimit = func(string) bool { return false }
		}
		if u.Log == nil {
			u.Log = slog.New(slog.DiscardHandler)
		}
	})
}

// Standing is what has to happen after a right password.
type Standing string

const (
	StandingGood       Standing = ""
	StandingMustChange Standing = "MUST_CHANGE_PASSWORD"
	StandingExpired    Standing = "PASSWORD_EXPIRED"
	StandingUnverified Standing = "VERIFICATION_CODE_REQUIRED"
	// StandingLocked is the standing of whom an administrator keeps from signing on. Nobody is told.
	StandingLocked Standing = "LOCKED"
)

// ByName finds an enabled or disabled user, or store.ErrNotFound. A declared
// user whose name is spelt exactly so comes first, then whoever has the folded name.
func (u *Users) ByName(ctx context.Context, env *store.Environment, username string) (*store.User, error) {
	u.ready()
	user, err := u.lookup(ctx, env, username)
	if err == nil && user == nil {
		err = store.ErrNotFound
	}
	return user, err
}

// lookup is ByName with nil for nobody. It asks the same questions whatever the answers are.
func (u *Users) lookup(ctx context.Context, env *store.Environment, username string) (*store.User, error) {
	folded := Fold(username)
	exact, err := u.declared(ctx, env, username)
	if err != nil {
		return nil, err
	}
	alike, err := u.declared(ctx, env, folded)
	if err != nil {
		return nil, err
	}
	stored, err := u.Store.StoredUserByName(ctx, env.ID, folded)
	switch {
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return nil, fmt.Errorf("find a user by name: %w", err)
	case exact != nil:
		return exact, nil
	case alike != nil:
		return alike, nil
	case err == nil:
		return &stored, nil
	}
	return nil, nil
}

// declared finds a user whom configuration declares. What a directory says about stored ones may be
// some seconds old, which is too old for people: whether they are disabled, above all.
func (u *Users) declared(ctx context.Context, env *store.Environment, username string) (*store.User, error) {
	user, err := u.Directory.UserByName(ctx, env.ID, username)
	switch {
	case errors.Is(err, store.ErrNotFound) || err == nil && !user.Declared:
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("find a declared user by name: %w", err)
	}
	return user, nil
}

// ByID finds an enabled or disabled user, or store.ErrNotFound.
func (u *Users) ByID(ctx context.Context, env *store.Environment, id string) (*store.User, error) {
	u.ready()
	user, err := u.Directory.UserByID(ctx, env.ID, id)
	if err == nil && user.Declared {
		return user, nil
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("find a user: %w", err)
	}
	stored, err := u.Store.StoredUserByID(ctx, env.ID, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, store.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("find a user: %w", err)
	}
	return &stored, nil
}

// StandingOf is what has to happen before user's sign-on is complete. CheckPassword says the same; a flow
// asks again after each step that settles something.
func (u *Users) StandingOf(ctx context.Context, env *store.Environment, user *store.User) (Standing, error) {
	u.ready()
	cred, err := u.credential(ctx, env, user.ID)
	if err != nil {
		return "", err
	}
	return u.standing(env, user, cred), nil
}

func (u *Users) standing(env *store.Environment, user *store.User, cred store.Credential) Standing {
	switch {
	case cred.Locked, barred(user):
		return StandingLocked
	case cred.MustChange:
		return StandingMustChange
	case expired(env, cred, u.Now()):
		return StandingExpired
	case u.unverified(user):
		return StandingUnverified
	}
	return StandingGood
}

// expired reports whether a password has served its time. One that is declared
// is changed where it is declared.
func expired(env *store.Environment, cred store.Credential, now time.Time) bool {
	life := env.SignOn.PasswordMaxAge
	return life > 0 && cred.Password != "" && !now.Before(cred.ChangedAt.Add(life))
}

// unverified reports whether user has an address to confirm, and can.
func (u *Users) unverified(user *store.User) bool {
	return !user.Declared && !user.Verified && u.Notifier != nil && email(user) != "" && LifecycleOf(user) != LifecycleOK
}

// credential reads the credential of a subject; one that is not there is empty.
func (u *Users) credential(ctx context.Context, env *store.Environment, subject string) (store.Credential, error) {
	cred, err := u.Store.CredentialOf(ctx, env.ID, subject)
	if errors.Is(err, store.ErrNotFound) {
		return store.Credential{Environment: env.ID, Subject: subject}, nil
	}
	if err != nil {
		return cred, fmt.Errorf("read a credential: %w", err)
	}
	return cred, nil
}

// OffersRecovery reports whether people may recover forgotten passwords.
func (u *Users) OffersRecovery(env *store.Environment) bool {
	return env.SignOn.PasswordRecovery && u.Notifier != nil
}

// OffersRegistration reports whether people may register. Without a Notifier their
// addresses stay unconfirmed, and nothing waits for it.
func (u *Users) OffersRegistration(env *store.Environment) bool {
	return env.SignOn.SelfRegistration
}

// email is where messages to user go, "" for nowhere.
func email(user *store.User) string {
	address, _ := user.Claims["email"].(string)
	if notify.CheckAddress(address) != nil {
		return ""
	}
	return address
}

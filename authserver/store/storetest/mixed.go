package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// mixed lets many callers do everything to a few records of each kind at once,
// over two stores: whatever meets, every call gets one of the answers that the
// store promises.
func mixed(t *testing.T, a, b store.Store) {
	ctx := testContext(t)
	begin := time.Now()
	errs := race(32, func(i int) error {
		s := either(a, b, i)
		random := rand.New(rand.NewPCG(uint64(i), 7))
		for n := range 60 {
			id := fmt.Sprint("id", random.IntN(4))
			own := fmt.Sprint(i, "-", n)
			var err error
			switch random.IntN(19) {
			case 0:
				err = s.PutFamily(ctx, family(id), refresh(id, Now))
			case 1, 2: // replays too, which end the family
				_, _, err = s.RotateRefreshToken(ctx, env1, refresh(id, Now).Hash, refresh(own, Now), 0, true, Now)
			case 3:
				_, err = s.EndFamilies(ctx, store.FamilyFilter{Environment: env1, Subject: "alice"})
			case 4:
				_, err = s.EndFamilies(ctx, store.FamilyFilter{Environment: env1, ID: id})
			case 5:
				x := session(id)
				x.Token = hash(own)
				err = s.PutSession(ctx, x)
			case 6:
				var x store.Session
				if x, err = s.SessionByID(ctx, env1, id, Now); err == nil {
					err = s.ReplaceSession(ctx, x)
				}
			case 7:
				_, err = s.EndSession(ctx, env1, id)
			case 8:
				u := user(id)
				u.Username = fmt.Sprint("name", random.IntN(4))
				err = s.PutUser(ctx, u)
			case 9:
				var u store.User
				if u, err = s.StoredUserByID(ctx, env1, id); err == nil {
					u.Username = fmt.Sprint("name", random.IntN(4))
					err = s.ReplaceUser(ctx, u)
				}
			case 10:
				err = s.DeleteUser(ctx, env1, id)
			case 11:
				var c store.Credential
				if c, err = s.CredentialOf(ctx, env1, id); errors.Is(err, store.ErrNotFound) {
					c, err = credential(id), nil
				}
				if err == nil {
					err = s.PutCredential(ctx, c)
				}
			case 12:
				err = s.PutConsent(ctx, store.ConsentRecord{Environment: env1, Subject: id, Client: fmt.Sprint(random.IntN(4))})
			case 13:
				c := registered(id)
				c.Client.PostLogoutRedirectURIs = []string{fmt.Sprint(random.IntN(4)), fmt.Sprint(random.IntN(4))}
				if random.IntN(2) == 0 {
					err = s.PutRegisteredClient(ctx, c)
				} else if got, read := s.RegisteredClientByID(ctx, env1, id); read == nil {
					c.Version = got.Version
					err = s.ReplaceRegisteredClient(ctx, c)
				}
				if random.IntN(8) == 0 && err == nil {
					err = s.DeleteRegisteredClient(ctx, env1, id)
				}
			case 14:
				if err = s.PutDelivery(ctx, delivery(id)); errors.Is(err, store.ErrExists) {
					var list []store.Delivery
					list, err = s.ClaimDeliveries(ctx, "backchannel_logout", Now, Now.Add(time.Second), 3)
					for _, d := range list {
						err = errors.Join(err, s.FinishDelivery(ctx, d.Environment, d.ID))
					}
				}
			case 15:
				k := ticket(id)
				if err = s.PutTicket(ctx, k); errors.Is(err, store.ErrExists) {
					_, err = s.TakeTicket(ctx, env1, k.Kind, k.Hash, Now)
				}
				_, errSweep := s.Sweep(ctx, Now, 10)
				err = errors.Join(err, errSweep)
			case 16, 17:
				w := store.Write{Environment: env1, Events: []store.Event{event(own)}, Revocations: []store.Revocation{revocation(id)}}
				if o, read := s.ObjectByID(ctx, env1, store.KindApplication, id); read != nil {
					w.Put = []store.Object{object(id), child(id, own)}
				} else if random.IntN(3) > 0 {
					o.Unique = []string{"name " + fmt.Sprint(random.IntN(4))}
					w.Put = []store.Object{o, child(id, own)}
				} else {
					w.Delete = []store.ObjectVersion{{Kind: o.Kind, ID: id, Version: o.Version * int64(random.IntN(2))}}
				}
				err = s.Apply(ctx, w)
			case 18:
				w := store.Write{Environment: env1}
				if u, read := s.StoredUserByID(ctx, env1, id); read != nil {
					w.PutUsers, w.Put = []store.User{newUser(id), newUser(own)}, []store.Object{child(id, own)}
				} else if random.IntN(2) == 0 {
					u.Username = own
					w.PutUsers = []store.User{u}
				} else {
					w.DeleteUsers = []store.UserVersion{{ID: id, Version: u.Version * int64(random.IntN(2))}}
				}
				err = s.Apply(ctx, w)
			}
			for _, promised := range []error{store.ErrNotFound, store.ErrExists, store.ErrSpent, store.ErrConflict} {
				if errors.Is(err, promised) {
					err = nil
				}
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	for _, err := range errs {
		if err != nil {
			t.Errorf("an answer that is not promised: %v", err)
		}
	}
	wholeIndex(t, a)
	t.Logf("%d calls in %v", 32*60, time.Since(begin))
}

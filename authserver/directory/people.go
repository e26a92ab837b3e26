package directory

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// people are the users that configuration declares in an environment, in every order
// in which they can be walked over.
type people struct {
	byID   map[string]*store.User
	orders map[string][]place // by attribute of terms; "" is by ID
}

// place is a user's in one order.
type place struct {
	value string
	user  *store.User
}

func (p place) compare(value, id string) int {
	if c := strings.Compare(p.value, value); c != 0 {
		return c
	}
	return strings.Compare(p.user.ID, id)
}

// declaredMark begins the marks of declared users. No term has it: FoldTerm gives
// printable text.
const declaredMark = "\x00"

// people makes them once.
func (l *Live) people(environment string) *people {
	r := l.room(environment)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.people != nil {
		return r.people
	}
	p := &people{byID: map[string]*store.User{}, orders: map[string][]place{}}
	for _, u := range l.Declared.DeclaredUsers() {
		if u.Environment != environment {
			continue
		}
		p.byID[u.ID] = u
		p.orders[""] = append(p.orders[""], place{"", u})
		for _, t := range store.UserTerms(*u) {
			p.orders[t.Attribute] = append(p.orders[t.Attribute], place{t.Value, u})
		}
	}
	for _, order := range p.orders {
		slices.SortFunc(order, func(a, b place) int { return a.compare(b.value, b.user.ID) })
	}
	r.people = p
	return p
}

// ScanUsers walks over declared users, and then over stored ones, as store.UserScans does. The mark of
// a declared user begins with a byte that no term has. A stored user whose ID or username has been declared since
// is not there.
func (l *Live) ScanUsers(ctx context.Context, s store.UserScan) ([]store.ScannedUser, error) {
	p := l.people(s.Environment)
	value, inDeclared := strings.CutPrefix(s.After.Value, declaredMark)
	var found []store.ScannedUser
	if inDeclared || s.After == (store.UserMark{}) {
		for _, at := range p.orders[s.Attribute] {
			switch {
			case len(found) == s.Limit:
				return found, nil
			case inDeclared && at.compare(value, s.After.ID) <= 0:
			case s.Attribute != "" && at.value != s.Value && !(s.Prefix && strings.HasPrefix(at.value, s.Value)):
			default:
				found = append(found, store.ScannedUser{User: *at.user, Mark: store.UserMark{Value: declaredMark + at.value, ID: at.user.ID}})
			}
		}
		s.After = store.UserMark{}
	}
	limit := s.Limit
	for len(found) < limit {
		s.Limit = limit - len(found)
		page, err := l.Store.ScanUsers(ctx, s)
		if err != nil {
			return nil, cannotTell("list", store.KindUser, err)
		}
		for _, u := range page {
			s.After = u.Mark
			hidden, err := l.hidden(ctx, p, &u.User)
			if err != nil {
				return nil, err
			}
			if !hidden {
				found = append(found, u)
			}
		}
		if len(page) < s.Limit {
			break
		}
	}
	return found, nil
}

// hidden reports whether a declared user has the place of a stored one.
func (l *Live) hidden(ctx context.Context, p *people, u *store.User) (bool, error) {
	if len(p.byID) == 0 {
		return false, nil
	}
	if p.byID[u.ID] != nil {
		return true, nil
	}
	taken, err := l.declaredUsername(ctx, u.Environment, u.Username)
	return taken != "", err
}

// declaredUsername is the ID of the declared user who has a username, in whatever
// spelling; "" for nobody.
func (l *Live) declaredUsername(ctx context.Context, environment, username string) (string, error) {
	for _, spelling := range []string{username, store.FoldUsername(username)} {
		u, err := l.Declared.UserByName(ctx, environment, spelling)
		switch {
		case err == nil:
			return u.ID, nil
		case !errors.Is(err, store.ErrNotFound):
			return "", cannotTell("find", store.KindUser, err)
		}
	}
	return "", nil
}

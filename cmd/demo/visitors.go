package main

import (
	"crypto/rand"
	"net/http"
	"sync"
	"time"

	"golang.org/x/oauth2"
)

// visitor is one browser: who signed in, and the sign-ins that it has begun.
type visitor struct {
	mu      sync.Mutex
	begun   map[string]attempt // by state; every tab may have one
	person  *person            // nil: nobody is signed in
	notice  notice             // shown once
	lastSet time.Time          // of the cookie or of its use; the visitors' lock protects it
}

// attempt is a sign-in that a browser has begun and not finished.
type attempt struct {
	nonce, verifier string
	at              time.Time
}

// person is who signed in, and what came with it.
type person struct {
	tokens   *oauth2.Token
	idToken  string         // as it came
	claims   map[string]any // of the ID token
	userInfo map[string]any
}

// notice is what happened last.
type notice struct {
	Text, Detail string
	Bad          bool
}

// maxBegun bounds the sign-ins of one browser that are not finished.
const maxBegun = 10

// begin remembers a sign-in, and forgets the oldest where there are too many.
func (v *visitor) begin(state string, a attempt) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.begun == nil {
		v.begun = map[string]attempt{}
	}
	if len(v.begun) >= maxBegun {
		oldest := ""
		for state, a := range v.begun {
			if oldest == "" || a.at.Before(v.begun[oldest].at) {
				oldest = state
			}
		}
		delete(v.begun, oldest)
	}
	v.begun[state] = a
}

// finish takes the sign-in with this state, once.
func (v *visitor) finish(state string) (attempt, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	a, ok := v.begun[state]
	delete(v.begun, state)
	return a, ok
}

func (v *visitor) say(n notice) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.notice = n
}

// signedOff forgets the person.
func (v *visitor) signedOff(n notice) (was *person) {
	v.mu.Lock()
	defer v.mu.Unlock()
	was, v.person, v.notice = v.person, nil, n
	return was
}

// visitors are the browsers of the last while, by cookie. What is known of them
// lives in memory alone.
type visitors struct {
	mu sync.Mutex
	by map[string]*visitor
}

const (
	cookieName  = "demo"
	maxVisitors = 1000
)

// of finds the browser by its cookie, or gives it one.
func (all *visitors) of(w http.ResponseWriter, r *http.Request) *visitor {
	all.mu.Lock()
	defer all.mu.Unlock()
	if c, err := r.Cookie(cookieName); err == nil {
		if v := all.by[c.Value]; v != nil {
			v.lastSet = time.Now()
			return v
		}
	}
	v := &visitor{}
	all.admit(w, v)
	return v
}

// renew gives a browser that signs in another cookie, so that whoever knew the old
// one knows nothing. Sign-ins that other tabs have begun go on.
func (all *visitors) renew(w http.ResponseWriter, r *http.Request, p *person, n notice) {
	fresh := &visitor{person: p, notice: n}
	if old := all.remove(r); old != nil {
		old.mu.Lock()
		fresh.begun = old.begun
		old.begun, old.person = nil, nil
		old.mu.Unlock()
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	all.admit(w, fresh)
}

// remove forgets the browser's cookie. The visitor that it stood for may be busy.
func (all *visitors) remove(r *http.Request) *visitor {
	all.mu.Lock()
	defer all.mu.Unlock()
	c, err := r.Cookie(cookieName)
	if err != nil {
		return nil
	}
	old := all.by[c.Value]
	delete(all.by, c.Value)
	return old
}

// admit draws a cookie for v. The caller holds the lock.
func (all *visitors) admit(w http.ResponseWriter, v *visitor) {
	if len(all.by) >= maxVisitors {
		oldest := ""
		for id, v := range all.by {
			if oldest == "" || v.lastSet.Before(all.by[oldest].lastSet) {
				oldest = id
			}
		}
		delete(all.by, oldest)
	}
	id := rand.Text()
	v.lastSet = time.Now()
	all.by[id] = v
	http.SetCookie(w, &http.Cookie{Name: cookieName, Value: id, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// list is all of them.
func (all *visitors) list() []*visitor {
	all.mu.Lock()
	defer all.mu.Unlock()
	list := make([]*visitor, 0, len(all.by))
	for _, v := range all.by {
		list = append(list, v)
	}
	return list
}

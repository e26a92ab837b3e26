package management

import "time"

// SealCursor makes a cursor whose sum is right, of any place: what somebody can
// make who has read this package.
func SealCursor(after, binding string) string { return sealCursor(after, binding) }

// Route is a row of the table, as tests need it.
type Route struct {
	Name, Method, Path, Permission, Summary string
	Open, Somewhere                         bool
	Request                                 []string // media types
	Status                                  int
}

// Routes are the table.
func (a *API) Routes() []Route {
	var all []Route
	for _, rt := range a.table() {
		r := Route{
			Name: rt.name, Method: rt.method, Path: rt.path, Permission: string(rt.permission), Summary: rt.summary,
			Open: rt.open, Somewhere: rt.somewhere, Status: rt.status,
		}
		for kind := range rt.request {
			r.Request = append(r.Request, kind)
		}
		all = append(all, r)
	}
	return all
}

// TakeTurns takes n turns of an environment, or -n places among those that wait for one, until release is called.
func TakeTurns(a *API, env string, n int) (release func()) {
	a.turns.mu.Lock()
	defer a.turns.mu.Unlock()
	of := a.turns.of[env]
	if of == nil {
		of = &turnsOf{busy: make(chan struct{}, turnsAtOnce)}
		a.turns.of[env] = of
	}
	for range n {
		of.busy <- struct{}{}
	}
	of.users += max(n, -n)
	return func() {
		a.turns.mu.Lock()
		defer a.turns.mu.Unlock()
		for range n {
			<-of.busy
		}
		of.users -= max(n, -n)
	}
}

// TurnsWaiting is closed when n requests of an environment have turns or wait for them.
func TurnsWaiting(a *API, env string, n int) <-chan struct{} {
	reached := make(chan struct{})
	go func() {
		for users := 0; users < n; time.Sleep(time.Millisecond) {
			a.turns.mu.Lock()
			users = a.turns.of[env].users
			a.turns.mu.Unlock()
		}
		close(reached)
	}()
	return reached
}

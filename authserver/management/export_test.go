package management

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

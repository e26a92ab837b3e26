package declared

import "github.com/caddy-gatehouse/gatehouse/authserver/store"

// NewEnvironment is the environment that c declares by itself, with the defaults
// of New: what is in it is not looked at. It is for environments that are made at run time.
func NewEnvironment(c Environment) (*store.Environment, error) {
	c.Users, c.Resources, c.Applications = nil, nil, nil
	e, err := newEnvironment(&c, new(inherited))
	if err != nil {
		return nil, err
	}
	return e.record, nil
}

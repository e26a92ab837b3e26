package access

import (
	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// NewCaller is a caller of env with assignments, for tests of what they come to.
func NewCaller(env *store.Environment, assignments ...*directory.RoleAssignment) *Caller {
	c := &Caller{Environment: env, Client: &store.Client{ID: "worker", Type: store.Worker}}
	for _, a := range assignments {
		c.grants = append(c.grants, grant{assignment: a, permissions: permissions(a.Role.ID)})
	}
	return c
}

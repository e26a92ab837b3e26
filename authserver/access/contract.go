package access

import (
	"context"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// Permission is a right on a kind of things: "<things>:<read|create|update|delete|…>".
type Permission string

// Permissions of the management API. The built-in roles' table says who has them.
const (
	ReadOrganization   Permission = "organizations:read"
	ReadEnvironment    Permission = "environments:read"
	CreateEnvironment  Permission = "environments:create"
	UpdateEnvironment  Permission = "environments:update"
	DeleteEnvironment  Permission = "environments:delete"
	ExportEnvironment  Permission = "environments:export"
	ImportEnvironment  Permission = "environments:import"
	ReadRoles          Permission = "roles:read"
	ReadApplication    Permission = "applications:read" // and its grants and mappings
	CreateApplication  Permission = "applications:create"
	UpdateApplication  Permission = "applications:update"
	DeleteApplication  Permission = "applications:delete"
	ReadAppSecret      Permission = "applications:read:secret"
	UpdateAppSecret    Permission = "applications:update:secret"
	ReadResource       Permission = "resources:read" // and its scopes and attributes
	CreateResource     Permission = "resources:create"
	UpdateResource     Permission = "resources:update"
	DeleteResource     Permission = "resources:delete"
	ReadResourceSecret Permission = "resources:read:secret"
	UpdateResSecret    Permission = "resources:update:secret"
	ReadPopulation     Permission = "populations:read"
	CreatePopulation   Permission = "populations:create"
	UpdatePopulation   Permission = "populations:update"
	DeletePopulation   Permission = "populations:delete"
	ReadUser           Permission = "users:read"
	CreateUser         Permission = "users:create"
	UpdateUser         Permission = "users:update"
	DeleteUser         Permission = "users:delete"
	LockUser           Permission = "users:lock"
	ReadPassword       Permission = "users:read:password" // its state
	SetPassword        Permission = "users:set:password"
	ResetPassword      Permission = "users:reset:password"    // by knowing the current one, or for somebody else
	ValidatePassword   Permission = "users:validate:password" // check
	ReadSession        Permission = "sessions:read"
	DeleteSession      Permission = "sessions:delete"
	ReadConsent        Permission = "consents:read"
	DeleteConsent      Permission = "consents:delete"
	ReadAssignment     Permission = "roleAssignments:read"
	CreateAssignment   Permission = "roleAssignments:create"
	DeleteAssignment   Permission = "roleAssignments:delete"
	ReadKey            Permission = "keys:read"
	CreateKey          Permission = "keys:create"
	UpdateKey          Permission = "keys:update"
	DeleteKey          Permission = "keys:delete"
	ReadSubscription   Permission = "subscriptions:read"
	UpdateSubscription Permission = "subscriptions:update"
	ReadActivity       Permission = "activities:read" // the audit log
)

// Target is what a permission is wanted on, as far as scopes of assignments can tell things apart. Empty
// strings are none in particular: then only a role on the whole environment or organization gives it.
type Target struct {
	Application string // ID
	Population  string // ID, never "" for a user: see directory
	User        string // ID: who holds a self-service scope may do to themselves what that allows
}

// Caller is who presented a token.
type Caller struct {
	Environment *store.Environment // of the token
	Client      *store.Client
	User        *store.User // nil where the client acts for itself
	grants      []grant
	self        []Permission
}

type grant struct{}

// May reports whether the caller has p on a target in env. env nil is for what is of no environment.
func (c *Caller) May(p Permission, env *store.Environment, t Target) bool { panic("contract") }

// Somewhere reports whether the caller has p on anything of env: on the whole, or on some populations or
// applications alone. Lists are then cut to those for which May holds.
func (c *Caller) Somewhere(p Permission, env *store.Environment) bool { panic("contract") }

// Populations are the IDs of the populations that p is limited to in env; all is true where it is not limited.
func (c *Caller) Populations(p Permission, env *store.Environment) (ids []string, all bool) {
	panic("contract")
}

// Resolver finds out who calls. Safe for concurrent use.
type Resolver struct {
	Live   *directory.Live
	Tokens *token.Verifier
}

// Caller reads an Authorization header's value. A token must be good now, of this server, for the
// environment's APIAudience. Roles are read at the time of the call: those of the client where it acts for
// itself, those of the user where it acts for one. An error is 401.
func (r *Resolver) Caller(ctx context.Context, authorization string) (*Caller, error) {
	panic("contract")
}

// Role is a built-in role.
type Role struct {
	ID, Name, Description string
	ApplicableTo          []string // ORGANIZATION, ENVIRONMENT, POPULATION, APPLICATION
	Permissions           []Permission
}

// Roles are all of them, in a fixed order. Read only.
func Roles() []Role { panic("contract") }

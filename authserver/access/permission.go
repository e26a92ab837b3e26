package access

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

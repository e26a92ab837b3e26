package directory

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// kind is a collection of objects as the engine sees it.
type kind struct {
	// label begins the actions of the audit log: "APPLICATION" for APPLICATION.CREATED, .UPDATED and .DELETED.
	label string
	// document makes an empty one.
	document func() Document
	// parents are the kinds that an object may belong to, store.KindUser included; nil for none.
	parents []store.ObjectKind
	// builtin lists what every environment has, and declared what configuration declares in env. Of each
	// Item they fill in ID, Parent and Document; ID is by BuiltinID, unless configuration says it. declared fills in Declared too.
	builtin  func(env *store.Environment) []Item
	declared func(l *Live, env *store.Environment) []Item
	// registered lists what a client that registered itself comes to: the application, or what belongs to
	// it. Of each Item it fills in ID, Parent and Document.
	registered func(env *store.Environment, c *store.Client) []Item
	// changeable: built-in objects may be changed, as far as their Check lets them.
	changeable bool
	// loose: what configuration declares may be given such children.
	loose bool
	// openID is what env's resources of OpenID Connect and of the PingOne API come to; of the kind of resources.
	openID openIDFunc
}

// kinds are all collections. They refer to functions that refer to kinds, which
// is why they are put together at start.
var kinds map[store.ObjectKind]*kind

func init() {
	application := []store.ObjectKind{store.KindApplication}
	resource := []store.ObjectKind{store.KindResource}
	kinds = map[store.ObjectKind]*kind{
		store.KindEnvironment: {label: "ENVIRONMENT", document: func() Document { return new(Environment) }},
		store.KindPopulation: {
			label: "POPULATION", document: func() Document { return new(Population) }, builtin: builtinPopulations, changeable: true,
		},
		store.KindApplication: {
			label: "APPLICATION", document: func() Document { return new(Application) },
			declared: declaredApplications(store.KindApplication), registered: registeredApplication(store.KindApplication),
		},
		store.KindApplicationAttribute: {
			label: "APPLICATION_ATTRIBUTE", parents: application, document: func() Document { return new(ApplicationAttribute) },
			declared: declaredApplications(store.KindApplicationAttribute), registered: registeredApplication(store.KindApplicationAttribute),
		},
		store.KindGrant: {
			label: "GRANT", parents: application, document: func() Document { return new(Grant) },
			declared: declaredApplications(store.KindGrant), registered: registeredApplication(store.KindGrant),
		},
		store.KindResource: {
			label: "RESOURCE", document: func() Document { return new(Resource) },
			builtin: builtinResources, declared: declaredResources, openID: openIDOf,
		},
		store.KindScope: {
			label: "SCOPE", parents: resource, document: func() Document { return new(Scope) },
			builtin: builtinScopes, declared: declaredScopes, changeable: true,
		},
		store.KindResourceAttribute: {
			label: "RESOURCE_ATTRIBUTE", parents: resource, document: func() Document { return new(ResourceAttribute) },
			builtin: builtinResourceAttributes, declared: declaredResourceAttributes, changeable: true,
		},
		store.KindSecret: {
			label: "SECRET", parents: []store.ObjectKind{store.KindApplication, store.KindResource}, document: func() Document { return new(Secret) },
			declared: declaredSecrets,
		},
		store.KindRoleAssignment: {
			label: "ROLE_ASSIGNMENT", parents: []store.ObjectKind{store.KindApplication, store.KindUser}, loose: true,
			document: func() Document { return new(RoleAssignment) }, declared: declaredAssignments,
		},
		store.KindKeyRotationPolicy: {
			label: "KEY_ROTATION_POLICY", document: func() Document { return new(KeyRotationPolicy) }, builtin: builtinKeyRotationPolicies,
		},
		store.KindSubscription: {label: "SUBSCRIPTION", document: func() Document { return new(Subscription) }},
	}
}

// kindOf finds a collection whose documents are known.
func kindOf(k store.ObjectKind) (*kind, error) {
	if found := kinds[k]; found != nil && found.document != nil {
		return found, nil
	}
	return nil, fmt.Errorf("directory: there is no kind of objects %q", k)
}

// BuiltinID is the ID of something that every environment has, or that is derived
// from what configuration declares: the same at any time, on any node. It is a
// UUID of the free form (RFC 9562 §5.8).
func BuiltinID(environment string, kind store.ObjectKind, name string) string {
	h := sha256.Sum256([]byte(strings.Join([]string{"gatehouse built-in", environment, string(kind), name}, "\x00")))
	h[6] = h[6]&0x0f | 0x80
	h[8] = h[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

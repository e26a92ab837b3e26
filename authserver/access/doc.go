// Package access says who may do what through the management API: the built-in
// roles and their permissions, the role assignments of a caller, and what of it
// holds for a target.
//
// It leaves routes and bodies to management. Start reading at Resolver.Caller.
package access

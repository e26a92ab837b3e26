// Package access says who may do what through the management API: the built-in
// roles and their permissions, the role assignments of a caller, and what of it
// holds for a target.
//
// A worker application that acts for itself has its own roles; for a user it has
// that user's, and none of its own. Any application that acts for a user has what
// self-service scopes (p1:…) give on that user. Roles are read at each call, so
// that a change counts for the next one, on every node. Nobody gives or takes a
// role that they do not have themselves at the same or a broader scope
// (Caller.MayGive), nor gets at the password or secret of who has more than they
// (Resolver.Outranks), lets a worker act for them, or brings along a key that signs: all would be ways to have that role.
//
// It leaves routes and bodies to management. Start reading at Resolver.Caller.
package access

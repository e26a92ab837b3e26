package store

import "context"

// Admits reports whether a client lets a person sign on, whose account is in good
// standing otherwise. It is asked again whenever tokens are made, so that it
// ends with the role that it depends on.
func Admits(ctx context.Context, d Directory, c *Client, u *User) (bool, error) {
	switch {
	case c.NobodySignsOn:
		return false, nil
	case c.AdministratorsOnly:
		return d.Administrator(ctx, c.Environment, u.ID)
	}
	return true, nil
}

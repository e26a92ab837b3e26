package resourceserver

import "context"

// Phantom is a signed JWT that says what the token says, from the issuer that vouches for it. here is false where that issuer is not in
// this process, so that somebody else has to be asked. The error is of one that is here and cannot make it now.
func (t *Token) Phantom(ctx context.Context) (raw string, here bool, err error) {
	if t.issuer == nil || t.issuer.config.Local == nil {
		return "", false, nil
	}
	raw, err = t.issuer.config.Local.Phantom(ctx, t.Claims)
	return raw, true, err
}

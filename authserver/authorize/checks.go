package authorize

import (
	"context"
)

// entrance is where a request came in.
type entrance uint8

const (
	front  entrance = 1 << iota // the authorization endpoint, a person's browser
	pushed                      // the pushed authorization request endpoint, the client itself
)

// check is one rule: which parameter it is about, at which entrances it holds.
type check struct {
	about string
	at    entrance
	run   func(context.Context, *draft) error
}

// checks run top down; the first error wins. What was pushed is judged again when
// it is used: the client's registration may have changed meanwhile. Until
// redirect_uri has passed, an error must not travel to it (RFC 6749 §4.1.2.1).
var checks = []check{
	{"client_id", front, knownClient},
	{"request_uri", front, takePushed},
	{"request_uri", pushed, noReference},
	{"request", front | pushed, openRequestObject},
	{"redirect_uri", front | pushed, registeredRedirectURI},
	// Here it has passed.
	{"request", front | pushed, readableRequest},
	{"request", front | pushed, requireSigned},
	{"request_uri", front, requirePushed},
	{"*", front | pushed, wellFormed},
	{"response_type", front | pushed, allowedResponseType},
	{"response_mode", front | pushed, fittingResponseMode},
	{"code_challenge", front | pushed, requirePKCE},
	{"dpop_jkt", front | pushed, keyOfCode},
	{"resource", front | pushed, readableResources},
	{"scope", front | pushed, allowedScope},
	{"nonce", front | pushed, requireNonce},
	{"prompt", front | pushed, knownPrompt},
	{"max_age", front | pushed, wholeMaxAge},
	{"claims", front | pushed, readableClaims},
	{"acr_values", front | pushed, reachableACR},
	{"login_hint", front | pushed, keepLoginHint},
	{"id_token_hint", front | pushed, ownIDTokenHint},
	{"ui_locales", front | pushed, keepLocales},
	{"display", front | pushed, keepDisplay},
	{"*", front | pushed, bearableSize},
}

package session

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// FormToken is the anti-forgery value of a form: it ties the form to this
// browser, to one flow, and to the state that the form was made for. It can be made
// again and compared, so nothing is stored; it changes with the cookie, at every change of privilege.
// It is empty where the browser has no cookie to tie it to.
func (b *Browser) FormToken(flowID, state string) string {
	// The binding is a hash of the cookie, which only this browser and the server know.
	binding := b.Binding()
	if binding == (store.Hash{}) {
		return ""
	}
	mac := hmac.New(sha256.New, binding[:])
	mac.Write([]byte("gatehouse form v1\x00" + flowID + "\x00" + state))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// Posted reports whether a form with this token was made for this browser, flow
// and state. Without a cookie none was.
func (b *Browser) Posted(token, flowID, state string) bool {
	want := b.FormToken(flowID, state)
	return want != "" && secret.Equal([]byte(token), []byte(want))
}

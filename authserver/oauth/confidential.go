package oauth

// confidential are the parameters whose values open something, or did.
var confidential = map[string]bool{
	"code": true, "access_token": true, "id_token": true, "refresh_token": true, "token": true, "response": true,
	"id_token_hint": true, "login_hint_token": true, "logout_token": true, "client_secret": true, "client_assertion": true,
	"code_verifier": true, "assertion": true, "subject_token": true, "actor_token": true, "password": true,
	"request": true, // a request object may have an id_token_hint in it
	// What somebody else's flow can be taken over with, or finished.
	"device_code": true, "user_code": true,
}

// Confidential reports whether no log may have the value of a parameter, whose name is in lower case.
func Confidential(parameter string) bool { return confidential[parameter] }

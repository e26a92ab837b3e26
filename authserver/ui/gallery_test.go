package ui_test

import (
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/authorize"
	"github.com/caddy-gatehouse/gatehouse/authserver/flow"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/ui"
)

// sample is a page as somebody may meet it.
type sample struct {
	name string
	lang string // Accept-Language
	show func(w http.ResponseWriter, r *http.Request)
}

// get renders the sample.
func (s sample) get() *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.show(w, s.request())
	return w
}

func (s sample) request() *http.Request {
	r := httptest.NewRequest(http.MethodGet, "https://auth.example.com/env/signon/?flowId=f", nil)
	if s.lang != "" {
		r.Header.Set("Accept-Language", s.lang)
	}
	return r
}

const (
	envID  = "5f0c9f3a-6c1e-4c55-9a3b-2d7f8e1b4a60"
	flowID = "9e2a7c44-6b1f-4f0d-8a35-c7d9e1b20f56"
)

// environment is the one of the samples.
func environment() *store.Environment {
	return &store.Environment{
		ID: envID, Name: "demo", Issuer: "https://auth.example.com/" + envID + "/as",
		Branding: store.Branding{Name: "Northwind", LogoURL: "https://northwind.example/mark.svg", Color: "#0f766e"},
		SignOn:   store.SignOn{PasswordMinLength: 8},
	}
}

func client() *store.Client {
	return &store.Client{
		ID: "demo-web", Name: "Order Desk", LogoURI: "https://orders.example/logo.svg",
		PolicyURI: "https://orders.example/privacy", TOSURI: "https://orders.example/terms", ClientURI: "https://orders.example/",
	}
}

func user() *store.User {
	return &store.User{ID: "7d1e6a90-3b42-4c88-a5f1-90b7c2d3e4f5", Username: "alice", Claims: map[string]any{"name": "Alice Example"}}
}

// at is a flow in a status, with what the engine makes possible there.
func at(status flow.Status, actions ...flow.Action) *flow.Flow {
	f := &flow.Flow{
		ID: flowID, Status: status, Actions: append(actions, flow.Cancel), Client: client(),
		Request:   &authorize.Request{ReplyTo: authorize.ReplyTo{URI: "https://orders.example/callback", Mode: "query"}},
		CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}
	switch status {
	case flow.UsernamePasswordRequired, flow.RecoveryCodeRequired:
	default:
		f.User = user()
	}
	return f
}

func signOnFlow() *flow.Flow {
	return at(flow.UsernamePasswordRequired, flow.CheckPassword, flow.Forgot, flow.Register)
}

func consentFlow() *flow.Flow {
	f := at(flow.ConsentRequired, flow.Consent, flow.ResetSession)
	f.Consent = []flow.Scope{{Name: "openid"}, {Name: "profile"}, {Name: "email"}, {Name: "offline_access"}, {Name: "orders:read"}}
	return f
}

func of(f *flow.Flow) func(http.ResponseWriter, *http.Request) { return visit(ui.Visit{Flow: f}) }

func visit(v ui.Visit) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		if v.Env == nil {
			v.Env = environment()
		}
		ui.Show(w, r, v)
	}
}

func refusal(details ...oauth.Detail) *oauth.Error { return oauth.InvalidData(details...) }

// Errors as identity makes them.
func wrongPassword() *oauth.Error {
	return refusal(oauth.Detail{Code: "INVALID_CREDENTIALS", Message: "Invalid username or password"})
}

func lockedOut() *oauth.Error {
	return refusal(oauth.Detail{Code: "PASSWORD_LOCKED_OUT", Inner: map[string]any{"secondsUntilUnlock": 840}})
}

func limited() *oauth.Error {
	return &oauth.Error{Code: oauth.CodeTemporarilyUnavailable, Status: 429, PingOne: oauth.PingOneRequestLimited, RetryAfter: 30}
}

func samples() []sample {
	pages := &ui.Pages{}
	expired := at(flow.PasswordExpired, flow.ChangePassword, flow.ResetSession)
	must := at(flow.MustChangePassword, flow.ChangePassword, flow.ResetSession)
	recovery := at(flow.RecoveryCodeRequired, flow.Recover, flow.SendRecoveryCode, flow.ResetSession)
	verification := at(flow.VerificationCodeRequired, flow.Verify, flow.SendVerification, flow.ResetSession)
	badAccount := refusal(
		oauth.Detail{Code: "UNIQUENESS_VIOLATION", Target: "username"},
		oauth.Detail{Code: "INVALID_VALUE", Target: "email"},
		oauth.Detail{Code: "INVALID_VALUE", Target: "password", Inner: map[string]any{"unsatisfiedRequirements": []string{"length"}}},
	)
	return []sample{
		{"sign-on", "en", of(signOnFlow())},
		{"sign-on-german", "de-CH, en;q=0.5", of(signOnFlow())},
		{"sign-on-wrong-password", "en", visit(ui.Visit{Flow: signOnFlow(), Err: wrongPassword(), Typed: map[string]string{"username": "alice", "password": "never-shown"}})},
		{"sign-on-locked", "en", visit(ui.Visit{Flow: signOnFlow(), Err: lockedOut(), Typed: map[string]string{"username": "alice"}})},
		{"sign-on-limited", "en", visit(ui.Visit{Flow: signOnFlow(), Err: limited(), Typed: map[string]string{"username": "alice"}})},
		{"sign-on-stale", "en", visit(ui.Visit{Flow: signOnFlow(), Notice: "stale"})},
		{"password-again", "en", of(at(flow.PasswordRequired, flow.CheckPassword, flow.Forgot, flow.ResetSession))},
		{"select-account", "en", of(at(flow.AccountSelectionRequired, flow.SelectAccount, flow.ResetSession))},
		{"register", "en", visit(ui.Visit{Flow: signOnFlow(), Page: "register"})},
		{"register-wrong", "en", visit(ui.Visit{Flow: signOnFlow(), Page: "register", Err: badAccount, Typed: map[string]string{
			"username": "alice", "email": "alice@", "given": "Alice", "newPassword": "never-shown"}})},
		{"verify", "en", of(verification)},
		{"verify-wrong", "en", visit(ui.Visit{Flow: verification, Err: refusal(oauth.Detail{Code: "INVALID_VALUE", Target: "verificationCode"})})},
		{"forgot", "en", visit(ui.Visit{Flow: signOnFlow(), Page: "forgot"})},
		{"recover", "en", of(recovery)},
		{"recover-sent", "en", visit(ui.Visit{Flow: recovery, Notice: "sent"})},
		{"change-password-expired", "en", of(expired)},
		{"change-password-must", "en", of(must)},
		{"change-password-wrong", "en", visit(ui.Visit{Flow: must, Err: refusal(
			oauth.Detail{Code: "INVALID_VALUE", Target: "currentPassword"}, oauth.Detail{Code: "INVALID_VALUE", Target: "repeat"})})},
		{"consent", "en", of(consentFlow())},
		{"consent-german", "de", of(consentFlow())},
		{"finished", "en", func(w http.ResponseWriter, r *http.Request) { ui.Finished(w, r, environment(), at(flow.Completed)) }},
		{"sign-off", "en", func(w http.ResponseWriter, r *http.Request) {
			pages.ConfirmSignOff(w, r, environment(), "/"+envID+"/as/signoff", [][2]string{
				{"confirm", "the-form-token"}, {"post_logout_redirect_uri", "https://orders.example/bye"}, {"state", "s-71"}})
		}},
		{"signed-off", "en", func(w http.ResponseWriter, r *http.Request) { pages.SignedOff(w, r, environment(), nil, "") }},
		{"signed-off-onward", "en", func(w http.ResponseWriter, r *http.Request) {
			pages.SignedOff(w, r, environment(), []string{"https://orders.example/frontchannel?iss=x&sid=y"}, "https://orders.example/bye?state=s-71")
		}},
		{"error", "en", func(w http.ResponseWriter, r *http.Request) {
			pages.Error(w, r, environment(), oauth.InvalidRequest("The redirect_uri is not registered for this application"), "0c4e7c1a-55cb-4b2f-9a3e-5c3c8a0f7d11")
		}},
		{"error-gone", "en", func(w http.ResponseWriter, r *http.Request) {
			ui.ErrorOf(w, r, environment(), &oauth.Error{Code: oauth.CodeInvalidRequest, Status: 404, Description: "The requested resource was not found"},
				"0c4e7c1a-55cb-4b2f-9a3e-5c3c8a0f7d11", "gone")
		}},
		{"error-server", "en", func(w http.ResponseWriter, r *http.Request) {
			pages.Error(w, r, nil, oauth.From(http.ErrAbortHandler), "0c4e7c1a-55cb-4b2f-9a3e-5c3c8a0f7d11")
		}},
	}
}

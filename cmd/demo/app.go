package main

import (
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// config is what the environment says.
type config struct{ Listen, Issuer, ClientID, ClientSecret, API string }

// base is the address of the home page.
func (c config) base() string { return "http://" + c.Listen + "/" }

// app is the web application.
type app struct {
	config   config
	client   *client
	visitors *visitors
}

func newApp(c config) *app {
	return &app{config: c, client: &client{config: c}, visitors: &visitors{by: map[string]*visitor{}}}
}

func (a *app) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.home)
	mux.HandleFunc("POST /sign-in", a.signIn)
	mux.HandleFunc("GET /callback", a.callback)
	mux.HandleFunc("POST /call", a.call)
	mux.HandleFunc("POST /refresh", a.refresh)
	mux.HandleFunc("POST /sign-off", a.signOff)
	mux.HandleFunc("POST /backchannel-logout", a.backchannelLogout)
	// No other site's page may press the buttons here; servers, which send neither Origin nor
	// Sec-Fetch-Site, may post.
	return headers(http.NewCrossOriginProtection().Handler(http.MaxBytesHandler(mux, 64<<10)))
}

// headers keeps the pages to themselves.
func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'")
		next.ServeHTTP(w, r)
	})
}

// signIn sends the browser to the authorization server. What comes back is bound to this
// browser by state, to this request by nonce, and to this application by PKCE.
func (a *app) signIn(w http.ResponseWriter, r *http.Request) {
	v := a.visitors.of(w, r)
	_, oauth, _, err := a.client.reach(r.Context())
	if err != nil {
		v.say(notice{"The authorization server does not answer.", err.Error(), true})
		home(w, r)
		return
	}
	state, begun := rand.Text(), attempt{nonce: rand.Text(), verifier: oauth2.GenerateVerifier(), at: time.Now()}
	v.begin(state, begun)
	http.Redirect(w, r, oauth.AuthCodeURL(state, oidc.Nonce(begun.nonce), oauth2.S256ChallengeOption(begun.verifier)), http.StatusSeeOther)
}

// callback is the redirect URI.
func (a *app) callback(w http.ResponseWriter, r *http.Request) {
	defer home(w, r)
	v, q := a.visitors.of(w, r), r.URL.Query()
	begun, ok := v.finish(q.Get("state"))
	switch {
	case !ok:
		v.say(notice{"That answer does not belong to a sign-in that began here.", "", true})
		return
	case q.Get("iss") != a.config.Issuer: // RFC 9207 §2.4
		v.say(notice{"That answer is another authorization server's.", "", true})
		return
	case q.Get("error") == "access_denied":
		v.say(notice{"You are not signed in.", "access_denied: " + q.Get("error_description"), false})
		return
	case q.Get("error") != "":
		v.say(notice{"Signing in did not work.", q.Get("error") + ": " + q.Get("error_description"), true})
		return
	}
	p, err := a.client.redeem(r.Context(), q.Get("code"), begun)
	if err != nil {
		v.say(notice{"Signing in did not work.", err.Error(), true})
		return
	}
	a.visitors.renew(w, r, p, notice{Text: "You are signed in."})
}

// call asks the protected API.
func (a *app) call(w http.ResponseWriter, r *http.Request) {
	defer home(w, r)
	v := a.visitors.of(w, r)
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.person == nil {
		v.notice = notice{Text: "Sign in first.", Bad: true}
		return
	}
	req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, a.config.API, nil)
	if err != nil {
		v.notice = notice{"The API has no address.", err.Error(), true}
		return
	}
	v.person.tokens.SetAuthHeader(req)
	answer, err := outbound.Do(req)
	if err != nil {
		v.notice = notice{"The API does not answer.", err.Error(), true}
		return
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(answer.Body, 4096))
	v.notice = notice{"The API answers " + answer.Status + ".", strings.TrimSpace(string(body)), answer.StatusCode != http.StatusOK}
}

// refresh exchanges the refresh token.
func (a *app) refresh(w http.ResponseWriter, r *http.Request) {
	defer home(w, r)
	v := a.visitors.of(w, r)
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.person == nil || v.person.tokens.RefreshToken == "" {
		v.notice = notice{Text: "There is no refresh token.", Bad: true}
		return
	}
	var refused *oauth2.RetrieveError
	switch err := a.client.refresh(r.Context(), v.person); {
	case err == nil:
		v.notice = notice{Text: "The tokens are new."}
	case errors.As(err, &refused) && refused.ErrorCode == "invalid_grant":
		v.person, v.notice = nil, notice{"The refresh token is no longer good. Please sign in again.", refused.ErrorDescription, true}
	default:
		v.notice = notice{"Refreshing did not work.", err.Error(), true}
	}
}

// signOff forgets the person and has the authorization server end the session
// (OIDC RP-Initiated Logout §2).
func (a *app) signOff(w http.ResponseWriter, r *http.Request) {
	v := a.visitors.of(w, r)
	endpoint, err := a.client.endSession(r.Context())
	if err != nil {
		v.say(notice{"Signing off did not work.", err.Error(), true})
		home(w, r)
		return
	}
	q := url.Values{"client_id": {a.config.ClientID}, "post_logout_redirect_uri": {a.config.base()}}
	if was := v.signedOff(notice{Text: "You are signed off."}); was != nil {
		q.Set("id_token_hint", was.idToken)
	}
	http.Redirect(w, r, endpoint+"?"+q.Encode(), http.StatusSeeOther)
}

// backchannelLogout forgets whoever has a session that ended elsewhere
// (OIDC Back-Channel Logout §2.5–2.8).
func (a *app) backchannelLogout(w http.ResponseWriter, r *http.Request) {
	sid, err := a.client.ended(r.Context(), r.PostFormValue("logout_token"))
	if err != nil {
		http.Error(w, "The logout token is not good.", http.StatusBadRequest)
		return
	}
	for _, v := range a.visitors.list() {
		v.mu.Lock()
		if v.person != nil && v.person.claims["sid"] == sid {
			v.person, v.notice = nil, notice{Text: "Your session was ended elsewhere."}
		}
		v.mu.Unlock()
	}
}

// home sends the browser to the home page.
func home(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusSeeOther) }

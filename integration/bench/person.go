package main

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"
)

// crowd is a target: people who take their steps over and over, each when the
// one before is done.
type crowd struct {
	server *server
	people []*person
	step   func(*person) error
}

// newCrowd signs everybody on and lets each get a refresh token.
func newCrowd(a *authority, step func(*person) error) (*crowd, error) {
	c := &crowd{server: a.server, step: step}
	for range people {
		p := &person{authority: a, transport: &http.Transport{MaxIdleConnsPerHost: 1}}
		if err := p.passwordFlow(); err != nil {
			return nil, err
		}
		c.people = append(c.people, p)
	}
	return c, nil
}

func (c *crowd) runs() *server { return c.server }

func (c *crowd) pause()  { c.server.pause() }
func (c *crowd) resume() { c.server.resume() }

// round lets everybody go on until the window is over, and counts what ended in it.
func (c *crowd) round(warm, window time.Duration) (slice, error) {
	steps := make([]func() error, len(c.people))
	for i, p := range c.people {
		steps[i] = func() error { return c.step(p) }
	}
	return inTurns(c.server, steps, warm, window)
}

// inTurns repeats each step until the window is over, side by side with the
// others, and counts those that ended in it. Unlike spin it sleeps while it
// waits, which leaves the core to a database beside it.
func inTurns(s *server, steps []func() error, warm, window time.Duration) (slice, error) {
	begin := time.Now().Add(warm)
	end := begin.Add(window)
	var wait sync.WaitGroup
	sums, errs := make([]slice, len(steps)), make([]error, len(steps))
	for i, step := range steps {
		wait.Go(func() {
			for now := time.Now(); now.Before(end) && errs[i] == nil; {
				errs[i] = step()
				done := time.Now()
				if done.After(begin) && done.Before(end) {
					sums[i].answers++
					sums[i].micros = append(sums[i].micros, uint32(done.Sub(now).Microseconds()))
				}
				now = done
			}
		})
	}
	time.Sleep(warm)
	used, waited := cpuTime(s.pid()), heldUp(s.pid())
	time.Sleep(time.Until(end))
	used, waited = cpuTime(s.pid())-used, heldUp(s.pid())-waited
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		return slice{}, fmt.Errorf("%s: %w", s.name, err)
	}
	sum := slice{window: window, cpu: used, heldUp: waited}
	for _, one := range sums {
		sum.answers += one.answers
		sum.micros = append(sum.micros, one.micros...)
	}
	return sum, nil
}

// person is somebody with a browser, and the application that they use.
type person struct {
	authority *authority
	transport *http.Transport
	cookies   http.CookieJar
	scope     string // "openid" if empty
	token     string // refresh token
	access    string // access token
}

// The verifier is the same for all, since nobody checks that it is drawn anew.
var (
	verifier  = strings.Repeat("bench-", 8)
	challenge = func() string {
		sum := sha256.Sum256([]byte(verifier))
		return base64.RawURLEncoding.EncodeToString(sum[:])
	}()
)

// codeFlow gets tokens with a code, where the person is signed on.
func (p *person) codeFlow() error {
	to, err := p.follow(http.MethodGet, p.authorizeURL(), nil)
	if err != nil {
		return err
	}
	return p.redeem(to)
}

// passwordFlow is codeFlow of somebody who has to sign on first: page, password
// and the way back.
func (p *person) passwordFlow() (err error) {
	if p.cookies, err = cookiejar.New(nil); err != nil {
		return err
	}
	to, err := p.follow(http.MethodGet, p.authorizeURL(), nil)
	if err != nil {
		return err
	}
	page, err := p.get(to)
	if err != nil {
		return err
	}
	form := url.Values{"username": {webUser}, "password": {webPassword}}
	first, _, _ := bytes.Cut(page, []byte("</form>"))
	for _, field := range hiddenField.FindAllSubmatch(first, -1) {
		form.Set(string(field[1]), html.UnescapeString(string(field[2])))
	}
	if to, err = p.follow(http.MethodPost, to, form); err != nil {
		return err
	}
	if to, err = p.follow(http.MethodGet, to, nil); err != nil {
		return err
	}
	return p.redeem(to)
}

var hiddenField = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)

// refresh exchanges the refresh token.
func (p *person) refresh() error {
	return p.tokens(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {p.token}})
}

func (p *person) authorizeURL() string {
	return p.authority.issuer(rsaEnvironment) + "/authorize?" + url.Values{
		"client_id": {webID}, "redirect_uri": {webRedirect}, "response_type": {"code"}, "scope": {cmp.Or(p.scope, "openid")}, "state": {"s"},
		"nonce": {"n"}, "code_challenge": {challenge}, "code_challenge_method": {"S256"},
	}.Encode()
}

// redeem takes the code out of the address that the browser was sent to.
func (p *person) redeem(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	code := u.Query().Get("code")
	if code == "" || !strings.HasPrefix(address, webRedirect) {
		return fmt.Errorf("no code at the end of the sign-on, but %q", u.Path)
	}
	return p.tokens(url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {webRedirect}, "code_verifier": {verifier},
	})
}

func (p *person) tokens(form url.Values) error {
	req, err := http.NewRequest(http.MethodPost, p.authority.issuer(rsaEnvironment)+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(webID, webSecret)
	resp, body, err := p.do(req)
	if err != nil {
		return err
	}
	var answer struct {
		AccessToken  string `json:"access_token"`
		IDToken      string `json:"id_token"`
		RefreshToken string `json:"refresh_token"`
	}
	if json.Unmarshal(body, &answer) != nil || answer.AccessToken == "" || answer.IDToken == "" || answer.RefreshToken == "" {
		return fmt.Errorf("token endpoint: status %d: %.200s", resp.StatusCode, body)
	}
	p.token, p.access = answer.RefreshToken, answer.AccessToken
	return nil
}

// follow sends a request whose answer must be a redirect, and says whereto.
func (p *person) follow(method, address string, form url.Values) (string, error) {
	req, err := http.NewRequest(method, address, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, body, err := p.do(req)
	if err != nil {
		return "", err
	}
	to, err := resp.Location()
	if err != nil {
		return "", fmt.Errorf("%s %s: status %d and no redirect: %.200s", method, req.URL.Path, resp.StatusCode, body)
	}
	return to.String(), nil
}

func (p *person) get(address string) ([]byte, error) {
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	resp, body, err := p.do(req)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: status %d", req.URL.Path, resp.StatusCode)
	}
	return body, err
}

// do keeps cookies as a browser does, and goes where it is told, one step at a time.
func (p *person) do(req *http.Request) (*http.Response, []byte, error) {
	for _, c := range p.cookies.Cookies(req.URL) {
		req.AddCookie(c)
	}
	resp, err := p.transport.RoundTrip(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	p.cookies.SetCookies(req.URL, resp.Cookies())
	body, err := io.ReadAll(resp.Body)
	return resp, body, err
}

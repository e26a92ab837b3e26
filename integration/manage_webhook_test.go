package integration_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// hook is somebody's server that webhooks go to, over TLS.
type hook struct {
	server *httptest.Server

	mu     sync.Mutex
	status int
	got    []hooked
}

// hooked is one attempt of a message.
type hooked struct {
	status int // that it was answered with
	header http.Header
	body   string
}

func newHook(t testing.TB) *hook {
	t.Helper()
	h := &hook{status: http.StatusOK}
	h.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		h.mu.Lock()
		defer h.mu.Unlock()
		h.got = append(h.got, hooked{h.status, r.Header.Clone(), string(body)})
		w.WriteHeader(h.status)
	}))
	t.Cleanup(h.server.Close)
	return h
}

// answer is what is answered from now on.
func (h *hook) answer(status int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status = status
}

// about gives the attempts whose activity is about an object, that were answered with a status.
func (h *hook) about(object string, status int) (found []hooked) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range h.got {
		if m.status == status && strings.Contains(m.body, object) {
			found = append(found, m)
		}
	}
	return found
}

// await waits until a message about an object was answered with a status, and gives the attempt.
func (h *hook) await(t testing.TB, object string, status int) hooked {
	t.Helper()
	eventually(t, 15*time.Second, "a message about "+object, func() bool { return len(h.about(object, status)) > 0 })
	return h.about(object, status)[0]
}

// verify checks a message as a receiver does (Standard Webhooks 1.0.0).
func (m *hooked) verify(t testing.TB, secret string) {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil || len(key) < 24 || len(key) > 64 {
		t.Fatalf("the secret has %d bytes, %v, want 24 to 64", len(key), err)
	}
	id, at := m.header.Get("webhook-id"), m.header.Get("webhook-timestamp")
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + at + "." + m.body))
	if got, want := m.header.Get("webhook-signature"), "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)); got != want {
		t.Errorf("webhook-signature = %q, want %q", got, want)
	}
	if seconds, err := strconv.ParseInt(at, 10, 64); err != nil || time.Since(time.Unix(seconds, 0)).Abs() > time.Minute {
		t.Errorf("webhook-timestamp = %q, want now", at)
	}
}

// TestWebhooks is a receiver that believes what is signed: it hears of each change, in spite of its own
// failures and of the server's, and of nothing when it is not subscribed any more.
func TestWebhooks(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		t.Parallel() // most of it is waiting
		h := newHook(t)
		n := prepare(t, config{storage: b, env: sdkEnv, global: `
		outbound {
			ca_file $DIR/hooks.pem
			network 127.0.0.0/8
		}`})
		ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.server.Certificate().Raw})
		if err := os.WriteFile(filepath.Join(n.dir, "hooks.pem"), ca, 0o600); err != nil {
			t.Fatal(err)
		}
		n.run(t)
		c := openConsole(t, n)
		const header = "Bearer the-hook-knows-me-8Kz4"
		n.secret("the header of a webhook", header)
		hooked := c.create(t, "/subscriptions", object{
			"name": "audit", "enabled": true, "protocol": "HTTPS", "format": "ACTIVITY", "verifyTlsCertificates": true,
			"httpEndpoint":  object{"url": h.server.URL + "/hook", "headers": object{"Authorization": header}},
			"filterOptions": object{"includedActionTypes": []string{"APPLICATION.*", "USER.CREATED"}},
		})
		secret := c.secretOf(t, "/subscriptions/"+hooked)

		first := c.create(t, "/applications", c.with(aService("first"), "clientSecret", "first-secret-brought-along-9Wq"))
		n.secret("a secret that was brought along", "first-secret-brought-along-9Wq")
		m := h.await(t, first, http.StatusOK)
		m.verify(t, secret)
		if got := m.header.Get("Authorization"); got != header {
			t.Error("the subscription's header is not the message's")
		}
		var activity struct {
			ID     string
			Action struct{ Type string }
			Actors struct{ Client struct{ ID string } }
		}
		if err := json.Unmarshal([]byte(m.body), &activity); err != nil || activity.Action.Type != "APPLICATION.CREATED" || activity.Actors.Client.ID != sdkAdmin {
			t.Errorf("message = %s (%v), want that the administrator created the application", m.body, err)
		}
		var logged struct{ Action struct{ Type string } }
		if err := json.Unmarshal([]byte(c.want(t, http.StatusOK, http.MethodGet, "/activities/"+activity.ID, nil).body), &logged); err != nil || logged.Action.Type != activity.Action.Type {
			t.Errorf("the audit log has %+v under its ID", logged)
		}

		// A receiver that fails is asked again, with the same message.
		h.answer(http.StatusServiceUnavailable)
		person := c.importUser(t, "hooked", "hooked-6Vb1-password")
		failed := h.await(t, person, http.StatusServiceUnavailable)
		h.answer(http.StatusOK)
		again := h.await(t, person, http.StatusOK)
		again.verify(t, secret)
		if again.body != failed.body || again.header.Get("webhook-id") != failed.header.Get("webhook-id") {
			t.Errorf("the message came again as another one: %s %s, %s %s", failed.header.Get("webhook-id"), failed.body, again.header.Get("webhook-id"), again.body)
		}

		// What the server has not been rid of when it is killed, it sends when it is back.
		h.answer(http.StatusServiceUnavailable)
		kept := c.create(t, "/applications", aService("kept"))
		h.await(t, kept, http.StatusServiceUnavailable)
		eventually(t, 5*time.Second, "the failure is written down", func() bool { return strings.Contains(n.log(), `"outcome":"retry"`) })
		time.Sleep(100 * time.Millisecond)
		n.kill(t)
		h.answer(http.StatusOK)
		n.run(t)
		m = h.await(t, kept, http.StatusOK)
		m.verify(t, secret)

		// Of a subscription that is gone nothing is sent, not even what was waiting.
		h.answer(http.StatusServiceUnavailable)
		waiting := c.create(t, "/applications", aService("waiting"))
		h.await(t, waiting, http.StatusServiceUnavailable)
		c.want(t, http.StatusNoContent, http.MethodDelete, "/subscriptions/"+hooked, nil)
		h.answer(http.StatusOK)
		later := c.create(t, "/applications", aService("later"))
		time.Sleep(2500 * time.Millisecond) // the next attempt would have been after 1.25 s at most
		if len(h.about(waiting, http.StatusOK)) > 0 || len(h.about(later, http.StatusOK)) > 0 {
			t.Error("a subscription that was deleted goes on")
		}

		// Nothing secret went to the receiver but what it is there to know.
		h.mu.Lock()
		defer h.mu.Unlock()
		n.mu.Lock()
		defer n.mu.Unlock()
		for _, m := range h.got {
			if !strings.Contains(m.body, `"type":"APPLICATION.CREATED"`) && !strings.Contains(m.body, `"type":"USER.CREATED"`) {
				t.Errorf("a message is of what was not subscribed: %s", m.body) // a new application has a secret and a mapping, too
			}
			for text, what := range n.secrets {
				if strings.Contains(m.body, text) {
					t.Errorf("a message has %s in it: %s", what, m.body)
				}
			}
		}
	})
}

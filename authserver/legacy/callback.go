package legacy

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
)

// callback is one question of a sign-on, in AM's form.
type callback struct {
	Type   string       `json:"type"`
	Output []namedValue `json:"output"`
	Input  []namedValue `json:"input"`
	ID     int          `json:"_id"`
}

type namedValue struct {
	Name  string `json:"name"`
	Value any    `json:"value"`
}

// The kinds of callbacks.
const (
	nameCallback     = "NameCallback"
	passwordCallback = "PasswordCallback"
)

// question is the n-th callback, which counts from 0 where its input counts from 1.
func question(n int, kind, prompt string) callback {
	return callback{
		Type: kind, ID: n, Output: []namedValue{{"prompt", prompt}}, Input: []namedValue{{fmt.Sprintf("IDToken%d", n+1), ""}},
	}
}

func credentialCallbacks() []callback {
	return []callback{question(0, nameCallback, "User Name"), question(1, passwordCallback, "Password")}
}

func changeCallbacks() []callback {
	return []callback{
		question(0, passwordCallback, "Old Password"), question(1, passwordCallback, "New Password"),
		question(2, passwordCallback, "Confirm Password"),
	}
}

const (
	// maxCallbacks bounds how many are read; no step here has more than three.
	maxCallbacks = 16
	// maxDepth of JSON bodies: callbacks, a callback, its input, a value.
	maxDepth = 8
)

// posted is what a client sends back.
type posted struct {
	authID    string
	callbacks []postedCallback
}

type postedCallback struct {
	Type  string `json:"type"`
	Input []struct {
		Name  string          `json:"name"`
		Value json.RawMessage `json:"value"`
	} `json:"input"`
}

// readObject reads the body: nil for none, and otherwise one JSON object of at most 64 KiB and of few levels, which no
// two readers take for different things. 415 for another content type, as a page of another site could send.
func (c *call) readObject() ([]byte, error) {
	kind, sent := web.MediaType(c.r), len(c.r.Header["Content-Type"]) > 0
	if sent && kind != "application/json" || c.r.Header.Get("Content-Encoding") != "" {
		return nil, unsupportedMedia()
	}
	var body json.RawMessage
	if err := web.ReadJSON(c.r, &body); err != nil {
		return nil, err
	}
	if string(body) == "{}" {
		return nil, nil
	}
	if !sent {
		return nil, unsupportedMedia()
	}
	if err := web.OneObject(body, maxDepth); err != nil {
		if errors.Is(err, web.ErrNoObject) {
			return nil, crest(http.StatusBadRequest, "The body is not a JSON object")
		}
		return nil, crest(http.StatusBadRequest, "The body "+err.Error())
	}
	return body, nil
}

func unsupportedMedia() error {
	e := crest(http.StatusUnsupportedMediaType, "Unsupported Media Type")
	e.Reason = "content_type"
	return e
}

// readPosted reads the callbacks of a body; nil is the start of a sign-on.
func readPosted(body []byte) (*posted, error) {
	if body == nil {
		return nil, nil
	}
	var members map[string]json.RawMessage // names as they are: a decoder into a struct takes any case
	if err := json.Unmarshal(body, &members); err != nil {
		return nil, malformedCallbacks()
	}
	id, began := members["authId"]
	list, answered := members["callbacks"]
	if !began && !answered {
		return nil, nil
	}
	p := &posted{}
	if json.Unmarshal(id, &p.authID) != nil || p.authID == "" || json.Unmarshal(list, &p.callbacks) != nil || len(p.callbacks) > maxCallbacks {
		return nil, malformedCallbacks()
	}
	return p, nil
}

// fill takes the values for the callbacks that were asked: as many, of the same kinds, names and order.
func (p *posted) fill(asked []callback) ([]string, error) {
	if len(p.callbacks) != len(asked) {
		return nil, malformedCallbacks()
	}
	values := make([]string, len(asked))
	for i, want := range asked {
		got := p.callbacks[i]
		if got.Type != want.Type || len(got.Input) != 1 || got.Input[0].Name != want.Input[0].Name {
			return nil, malformedCallbacks()
		}
		if json.Unmarshal(got.Input[0].Value, &values[i]) != nil {
			return nil, malformedCallbacks()
		}
	}
	return values, nil
}

// malformedCallbacks repeats nothing of a body that may hold a password.
func malformedCallbacks() error {
	return crest(http.StatusBadRequest, "The callbacks are malformed")
}

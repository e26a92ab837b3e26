package mcp_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
)

// TestBodyIsPutBack: what goes on is what came, byte for byte, with the length that was declared, or none.
func TestBodyIsPutBack(t *testing.T) {
	body := " " + calls("list") + "\r\n"
	for name, length := range map[string]int64{"declared": int64(len(body)), "chunked": -1} {
		t.Run(name, func(t *testing.T) {
			req := post(body)
			req.ContentLength = length
			closed := new(closer)
			req.Body = struct {
				io.Reader
				io.Closer
			}{iotest.OneByteReader(strings.NewReader(body)), closed}
			if _, err := rules().Read(httptest.NewRecorder(), req); err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(req.Body)
			if err != nil || string(got) != body {
				t.Errorf("body = %q (%v), want %q", got, err, body)
			}
			if req.ContentLength != length {
				t.Errorf("ContentLength = %d, want %d", req.ContentLength, length)
			}
			if err := req.Body.Close(); err != nil || !closed.was {
				t.Errorf("Close: %v, and the body that was read is closed: %t", err, closed.was)
			}
		})
	}
}

type closer struct{ was bool }

func (c *closer) Close() error { c.was = true; return nil }

// TestAttack128Limits: a body is read up to the limit, and one that says that it is longer not at all.
func TestAttack128Limits(t *testing.T) {
	r := rules()
	r.MaxBody = int64(len(calls("list")))
	for _, tt := range []struct {
		name, body string
		declared   bool
		status     int
	}{
		{"as long as may be", calls("list"), true, 0},
		{"as long as may be, chunked", calls("list"), false, 0},
		{"longer", calls("list") + " ", true, 413},
		{"longer, chunked", calls("list") + " ", false, 413},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req := post(tt.body)
			read := &counted{Reader: strings.NewReader(tt.body)}
			req.Body = io.NopCloser(read)
			if !tt.declared {
				req.ContentLength = -1
			}
			if _, err := r.Read(httptest.NewRecorder(), req); status(t, err) != tt.status {
				t.Errorf("status = %d, want %d (%v)", status(t, err), tt.status, err)
			}
			if tt.declared && tt.status != 0 && read.n > 0 {
				t.Errorf("%d bytes were read, want none", read.n)
			}
		})
	}
	t.Run("cut off", func(t *testing.T) {
		req := post("")
		req.ContentLength = 100
		req.Body = io.NopCloser(io.MultiReader(strings.NewReader(calls("list")), iotest.ErrReader(errors.New("reset"))))
		if _, err := rules().Read(httptest.NewRecorder(), req); status(t, err) != http.StatusBadRequest {
			t.Errorf("error = %v, want 400", err)
		}
	})
}

type counted struct {
	io.Reader
	n int
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += n
	return n, err
}

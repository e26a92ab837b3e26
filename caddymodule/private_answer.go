package caddymodule

import (
	"io"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// privateAnswer marks an answer to a request with a token as one for its client alone, unless the upstream says itself what caches may do: one that is
// shared, before this gate, would give it to the next client (RFC 9111 §3.5 keeps only those from it that know Authorization).
//
// The header is set as late as possible. Set beforehand, it would stand beside the upstream's.
type privateAnswer struct {
	caddyhttp.ResponseWriterWrapper
	begun bool
	value [1]string // of the header
}

// WriteHeader implements http.ResponseWriter.
func (a *privateAnswer) WriteHeader(status int) {
	if status >= 200 || status == http.StatusSwitchingProtocols {
		a.begin()
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (a *privateAnswer) Write(b []byte) (int, error) {
	a.begin()
	return a.ResponseWriter.Write(b)
}

// ReadFrom implements io.ReaderFrom: files are sent by the system.
func (a *privateAnswer) ReadFrom(r io.Reader) (int64, error) {
	a.begin()
	return a.ResponseWriterWrapper.ReadFrom(r)
}

// FlushError is what http.ResponseController flushes with: it sends the header where that has not been.
func (a *privateAnswer) FlushError() error {
	a.begin()
	return http.NewResponseController(a.ResponseWriter).Flush()
}

func (a *privateAnswer) begin() {
	if a.begun {
		return
	}
	a.begun = true
	if h := a.Header(); len(h["Cache-Control"]) == 0 {
		a.value[0] = "private"
		h["Cache-Control"] = a.value[:]
	}
}

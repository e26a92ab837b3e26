package caddymodule

import (
	"encoding/binary"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// A call of gRPC with one message each way, over the HTTP/2 that Caddy speaks already. grpc-go's own handler would run the gate in goroutines
// that nobody recovers from a panic in.

// Codes of gRPC.
const (
	grpcOK            = 0
	grpcInvalid       = 3
	grpcUnimplemented = 12
)

// largestCall is how long a message may be, in bytes: far above what fits into the headers of a request, though Envoy may send bodies too.
const largestCall = 1 << 20

// readCall reads the message of a call of method. ok is false where there is none; it is answered then. long is a message that is not read: its
// length is the client's to choose, whose body may be in it, and so the answer is the caller's.
func readCall(w http.ResponseWriter, r *http.Request, method string) (message []byte, long, ok bool) {
	kind := r.Header.Get("Content-Type")
	switch {
	case r.ProtoMajor != 2:
		http.Error(w, "gRPC needs HTTP/2", http.StatusHTTPVersionNotSupported)
		return nil, false, false
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "gRPC needs POST", http.StatusMethodNotAllowed)
		return nil, false, false
	case kind != "application/grpc" && !strings.HasPrefix(kind, "application/grpc+proto"):
		http.Error(w, "not a call of gRPC with Protocol Buffers", http.StatusUnsupportedMediaType)
		return nil, false, false
	case r.URL.Path != method:
		failCall(w, grpcUnimplemented, "no such method")
		return nil, false, false
	}
	var prefix [5]byte // whether it is compressed, and its length
	if _, err := io.ReadFull(r.Body, prefix[:]); err != nil {
		failCall(w, grpcInvalid, "the message is missing")
		return nil, false, false
	}
	length := binary.BigEndian.Uint32(prefix[1:])
	switch {
	case prefix[0] != 0:
		failCall(w, grpcUnimplemented, "compressed messages are not read")
		return nil, false, false
	case length > largestCall:
		return nil, true, true
	}
	// One byte more shows a second message.
	message, err := io.ReadAll(io.LimitReader(r.Body, int64(length)+1))
	if err != nil || len(message) != int(length) {
		failCall(w, grpcInvalid, "there must be one whole message")
		return nil, false, false
	}
	return message, false, true
}

// answerCall writes the answer of a call.
func answerCall(w http.ResponseWriter, message []byte) {
	h := w.Header()
	h["Content-Type"] = []string{"application/grpc"}
	h["Trailer"] = []string{"Grpc-Status"}
	frame := make([]byte, 5, 5+len(message))
	binary.BigEndian.PutUint32(frame[1:], uint32(len(message)))
	_, _ = w.Write(append(frame, message...)) // the client has gone away
	h["Grpc-Status"] = []string{strconv.Itoa(grpcOK)}
}

// failCall ends a call without an answer: its trailers are its headers.
func failCall(w http.ResponseWriter, code int, why string) {
	h := w.Header()
	h["Content-Type"] = []string{"application/grpc"}
	h["Grpc-Status"] = []string{strconv.Itoa(code)}
	h["Grpc-Message"] = []string{why}
	w.WriteHeader(http.StatusOK)
}

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// answers takes in the bytes of a connection and finds the HTTP/1.1 answers in
// them, as the servers measured here send them: canonical header names, a
// length or chunks. It does as little as that allows, because it shares a core
// with the upstream.
type answers struct {
	buf        []byte
	start, end int // bytes of buf not yet consumed
}

var (
	headEnd       = []byte("\r\n\r\n")
	contentLength = []byte("\r\nContent-Length: ")
	chunked       = []byte("\r\nTransfer-Encoding: chunked\r\n")
	lineEnd       = []byte("\r\n")
)

// answer is one whole answer. Body is valid until the next bytes are taken in.
type answer struct {
	status int
	body   []byte
}

// room is where to read to; took says how much was read there.
func (a *answers) room() []byte {
	if a.start == a.end {
		a.start, a.end = 0, 0
	}
	if a.end == len(a.buf) {
		if a.start > 0 {
			a.end = copy(a.buf, a.buf[a.start:a.end])
			a.start = 0
		} else {
			a.buf = append(a.buf, make([]byte, max(len(a.buf), 16<<10))...)
		}
	}
	return a.buf[a.end:]
}

func (a *answers) took(n int) { a.end += n }

// next consumes one answer; whole is false while part of it has yet to arrive.
func (a *answers) next() (got answer, whole bool, err error) {
	data := a.buf[a.start:a.end]
	size := bytes.Index(data, headEnd)
	if size < 0 {
		return answer{}, false, nil
	}
	head, rest := data[:size+2], data[size+len(headEnd):]
	if len(head) < len("HTTP/1.1 200\r\n") || !bytes.HasPrefix(head, []byte("HTTP/1.1 ")) {
		return answer{}, false, fmt.Errorf("not an HTTP/1.1 answer: %.40q", head)
	}
	if got.status, err = strconv.Atoi(string(head[9:12])); err != nil {
		return answer{}, false, fmt.Errorf("status: %w", err)
	}
	used := 0
	switch i := bytes.Index(head, contentLength); {
	case i >= 0:
		digits, _, _ := bytes.Cut(head[i+len(contentLength):], lineEnd)
		if used, err = strconv.Atoi(string(digits)); err != nil || used < 0 {
			return answer{}, false, fmt.Errorf("content length %q", digits)
		}
		if used > len(rest) {
			return answer{}, false, nil
		}
		got.body = rest[:used]
	case bytes.Contains(head, chunked):
		got.body, used, whole, err = dechunk(rest)
		if err != nil || !whole {
			return answer{}, false, err
		}
	case got.status != 204 && got.status != 304:
		return answer{}, false, errors.New("answer has neither length nor chunks")
	}
	a.start += size + len(headEnd) + used
	return got, true, nil
}

// dechunk reads a chunked body at the start of data and says how much of data it took.
func dechunk(data []byte) (body []byte, used int, whole bool, err error) {
	for {
		line, _, found := bytes.Cut(data[used:], lineEnd)
		if !found {
			return nil, 0, false, nil
		}
		size, err := strconv.ParseUint(string(line), 16, 24)
		if err != nil {
			return nil, 0, false, fmt.Errorf("chunk size: %w", err)
		}
		from := used + len(line) + len(lineEnd)
		used = from + int(size) + len(lineEnd)
		if used > len(data) {
			return nil, 0, false, nil
		}
		if size == 0 {
			return body, used, true, nil
		}
		body = append(body, data[from:from+int(size)]...)
	}
}

// readAnswer reads one answer from a connection that blocks.
func readAnswer(from io.Reader) (answer, error) {
	var a answers
	for {
		n, err := from.Read(a.room())
		a.took(n)
		if got, whole, parseErr := a.next(); whole || parseErr != nil {
			return got, parseErr
		}
		if err != nil {
			return answer{}, err
		}
	}
}

package main

import (
	"strings"
	"testing"
	"testing/iotest"
)

func TestAnswers(t *testing.T) {
	const (
		plain   = "HTTP/1.1 200 OK\r\nServer: Caddy\r\nContent-Length: 3\r\n\r\nok\n"
		empty   = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"
		none    = "HTTP/1.1 204 No Content\r\n\r\n"
		inParts = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n"
	)
	tests := []struct {
		name, bytes string
		want        []answer
		fails       bool
	}{
		{"a length", plain, []answer{{200, []byte("ok\n")}}, false},
		{"length zero", empty, []answer{{401, nil}}, false},
		{"a status without a body", none, []answer{{204, nil}}, false},
		{"chunks", inParts, []answer{{200, []byte("abc0123456789")}}, false},
		{"one after the other", plain + inParts + empty, []answer{{200, []byte("ok\n")}, {200, []byte("abc0123456789")}, {401, nil}}, false},
		{"longer than the buffer", "HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n" + strings.Repeat("x", 50000),
			[]answer{{200, []byte(strings.Repeat("x", 50000))}}, false},
		{"neither length nor chunks", "HTTP/1.1 200 OK\r\n\r\n", nil, true},
		{"a length that is no number", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", nil, true},
		{"a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", nil, true},
		{"another protocol", "SSH-2.0-x y\r\n\r\n", nil, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			// Byte by byte: every cut between two reads is tried.
			var a answers
			var got []answer
			var err error
			from := iotest.OneByteReader(strings.NewReader(tt.bytes))
			for err == nil {
				n, end := from.Read(a.room())
				if end != nil {
					break
				}
				a.took(n)
				var next answer
				var whole bool
				if next, whole, err = a.next(); whole {
					next.body = append([]byte(nil), next.body...)
					got = append(got, next)
				}
			}
			if (err != nil) != tt.fails {
				t.Fatalf("error = %v, want one: %v", err, tt.fails)
			}
			if len(got) != len(tt.want) {
				t.Fatalf("answers = %d, want %d", len(got), len(tt.want))
			}
			for i, want := range tt.want {
				if got[i].status != want.status || string(got[i].body) != string(want.body) {
					t.Errorf("answer %d = %d %.40q, want %d %.40q", i, got[i].status, got[i].body, want.status, want.body)
				}
			}
		})
	}
}

package upstream

import "time"

// Settle waits until what was remembered can be found: writing to a cache takes effect a little later.
func Settle(s Source) {
	switch s := s.(type) {
	case *perToken:
		s.tokens.Wait()
	case *phantom:
		s.tokens.Wait()
	}
}

// ParseToken reads an answer that was asked for at a time.
func ParseToken(body []byte, asked time.Time, exchanged bool) (token string, end time.Time, err error) {
	got, err := parseToken(answer{body: body, asked: asked}, exchanged)
	return got.token, got.end, err
}

// LongestLife bounds the life of any answer.
const LongestLife = longestLife

package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrNoObject is of what is not one JSON object.
var ErrNoObject = errors.New("is not one JSON object")

// OneObject refuses what is not one JSON object (ErrNoObject) of at most depth levels, and what two readers could each
// take for something else: a member twice, at any depth and in any case, since decoders take names so; and U+0000, at which
// some end a text and which no store keeps. The error goes on from what has the fault, and repeats nothing of it.
func OneObject(text []byte, depth int) error {
	if !utf8.Valid(text) {
		return ErrNoObject
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	type level struct {
		names map[string]bool // nil for an array
		value bool            // a member's value is next
	}
	var open []level
	for first := true; ; first = false {
		t, err := dec.Token()
		switch {
		case errors.Is(err, io.EOF) && len(open) == 0 && !first:
			return nil
		case err != nil, len(open) == 0 && !(first && t == json.Delim('{')):
			return ErrNoObject
		case t == json.Delim('}') || t == json.Delim(']'):
			open = open[:len(open)-1]
			continue
		}
		word, isText := t.(string)
		if isText && strings.ContainsRune(word, 0) {
			return errors.New("has the character U+0000")
		}
		if n := len(open); n > 0 && open[n-1].names != nil {
			in := &open[n-1]
			if !in.value {
				name := foldName(word)
				if in.names[name] {
					return errors.New("has a member twice")
				}
				in.names[name], in.value = true, true
				continue
			}
			in.value = false
		}
		switch t {
		case json.Delim('{'):
			open = append(open, level{names: map[string]bool{}})
		case json.Delim('['):
			open = append(open, level{})
		}
		if len(open) > depth {
			return errors.New("is nested too deeply")
		}
	}
}

// foldName gives names that a decoder takes for one the same spelling: each letter
// as the first of those that it folds to.
func foldName(name string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		return least
	}, name)
}

package jose

import "encoding/json"

// decodeValue turns the JSON text of a scanned value into Go values: string,
// json.Number, bool, nil, []any, map[string]any. Numbers keep their text, so
// that none loses digits.
func decodeValue(text string) any {
	switch text[0] {
	case '"':
		s, _ := textString(text)
		return s
	case 't':
		return true
	case 'f':
		return false
	case 'n':
		return nil
	case '{':
		m := make(map[string]any)
		sc := rescan(text)
		_ = sc.object(func(name string, at member) error { // cannot fail: it was scanned before
			m[name] = decodeValue(text[at.value:at.valueEnd])
			return nil
		})
		return m
	case '[':
		a := []any{}
		sc := rescan(text)
		_ = sc.elements(func(text string) error {
			a = append(a, decodeValue(text))
			return nil
		})
		return a
	}
	return json.Number(text)
}

// rescan walks text that has passed the limits before; no value in it can have
// more levels or members than bytes.
func rescan(text string) *jsonScanner {
	return &jsonScanner{s: text, depth: len(text), members: len(text)}
}

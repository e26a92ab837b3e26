package jose

// JSONObject checks that text is one JSON object, as strictly as tokens are read (no member twice in any object, UTF-8, no lone
// surrogates, nothing after it), within lim's Depth and Members, and calls each with the outermost members in order: the name
// unescaped, the value as it is written. What it refuses is an *Error; what each returns ends it.
func JSONObject(text string, lim Limits, each func(name, value string) error) error {
	return scanObject(text, lim.withDefaults(), each)
}

// JSONArray is JSONObject for an array and its elements.
func JSONArray(text string, lim Limits, each func(value string) error) error {
	lim = lim.withDefaults()
	sc := jsonScanner{s: text, depth: lim.Depth, members: lim.Members}
	sc.space()
	if sc.i == len(text) || text[sc.i] != '[' {
		return malformed("not a JSON array")
	}
	if err := sc.elements(each); err != nil {
		return err
	}
	sc.space()
	if sc.i != len(text) {
		return malformed("text after the JSON array")
	}
	return nil
}

// JSONString decodes a value of JSONObject or JSONArray that is a string; ok is false for any other kind.
func JSONString(value string) (s string, ok bool) { return textString(value) }

package legacy

// TokenFilterPairs are the pairs of a _queryId that was accepted.
func TokenFilterPairs(text string, administrator bool) ([]string, error) {
	f, err := readTokenFilter(text, administrator)
	if err != nil {
		return nil, err
	}
	var pairs []string
	for _, p := range f.pairs {
		pairs = append(pairs, p.name+"="+p.value)
	}
	if f.userName != "" {
		pairs = append(pairs, fieldUserName+"="+f.userName)
	}
	return pairs, nil
}

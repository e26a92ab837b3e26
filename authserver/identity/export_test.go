package identity

// ParsePHC gives back what was read of a PHC string, for the fuzz target.
func ParsePHC(s string) (string, error) {
	p, err := parsePHC(s)
	if err != nil {
		return "", err
	}
	return p.String(), nil
}

package jose

// Open gives any content of a JWE: the examples of RFC 7516 are no tokens.
func Open(k *DecryptionKeys, token string) (string, error) { return k.open(token, Limits{}) }

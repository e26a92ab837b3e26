package jose

// Verify checks the signature with one key. The key must fit the header's alg.
// Errors are *Error with ProblemKey or ProblemSignature.
func (j *JWS) Verify(k *Key) error {
	if k == nil || !k.Fits(j.Header.Algorithm) {
		return refuse(ProblemKey, "no key fits")
	}
	if err := algorithms[j.Header.Algorithm].verifier.Verify(j.input, j.signature, k.raw); err != nil {
		// The library's words stay here: they are of no use to a caller and
		// could tell a stranger which step failed.
		return refuse(ProblemSignature, "the signature does not verify")
	}
	return nil
}

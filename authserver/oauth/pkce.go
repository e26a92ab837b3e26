package oauth

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
)

// Code challenge methods (RFC 7636 §4.2).
const (
	ChallengePlain = "plain"
	ChallengeS256  = "S256"
)

// Bounds of a code verifier, and of a plain challenge, in characters (RFC 7636 §4.1).
const (
	minVerifier = 43
	maxVerifier = 128
)

// CheckCodeChallenge judges the code_challenge and code_challenge_method of an
// authorization request (RFC 7636 §4.3) and returns the method that they mean:
// plain where a challenge came without one, "" where there is neither. Whether a
// challenge is needed is the caller's question. Errors are invalid_request.
func CheckCodeChallenge(challenge, method string) (string, error) {
	if challenge == "" {
		if method != "" {
			return "", InvalidRequest("There is a code_challenge_method without a code_challenge")
		}
		return "", nil
	}
	switch method {
	case "", ChallengePlain:
		if !validVerifier(challenge) {
			return "", InvalidRequest("The code_challenge is not 43 to 128 unreserved characters")
		}
		return ChallengePlain, nil
	case ChallengeS256:
		// Exactly what SHA-256 gives: another text could never be met.
		sum, err := base64.RawURLEncoding.Strict().DecodeString(challenge)
		if err != nil || len(sum) != sha256.Size || len(challenge) != base64.RawURLEncoding.EncodedLen(sha256.Size) {
			return "", InvalidRequest("The code_challenge is not a SHA-256 hash in base64url")
		}
		return ChallengeS256, nil
	}
	return "", InvalidRequest("The code_challenge_method is neither S256 nor plain")
}

// VerifyPKCE judges the code_verifier of a token request against what the
// authorization request brought (RFC 7636 §4.6); method is what CheckCodeChallenge
// returned. A verifier where no challenge was sent is refused as well: somebody
// may have taken the challenge away (RFC 9700 §2.1.1). Errors are invalid_grant,
// and invalid_request for a verifier that is malformed.
func VerifyPKCE(method, challenge, verifier string) error {
	switch {
	case challenge == "" && method == "" && verifier == "":
		return nil
	case challenge == "":
		return InvalidGrant("There is a code_verifier, and the authorization request had no code_challenge")
	case verifier == "":
		return InvalidGrant("The code_verifier is missing")
	case !validVerifier(verifier):
		return InvalidRequest("The code_verifier is not 43 to 128 unreserved characters")
	}
	var got string
	switch method {
	case ChallengePlain:
		got = verifier
	case ChallengeS256:
		got = S256(verifier)
	default:
		return InvalidGrant("The code_challenge_method is unknown")
	}
	if subtle.ConstantTimeCompare([]byte(got), []byte(challenge)) != 1 {
		return InvalidGrant("The code_verifier does not fit the code_challenge")
	}
	return nil
}

// S256 is the code_challenge that a verifier meets (RFC 7636 §4.2).
func S256(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// validVerifier reports whether s is 43 to 128 unreserved characters.
func validVerifier(s string) bool {
	if len(s) < minVerifier || len(s) > maxVerifier {
		return false
	}
	for i := 0; i < len(s); i++ {
		if !unreserved(s[i]) {
			return false
		}
	}
	return true
}

// unreserved characters of a URI (RFC 3986 §2.3).
func unreserved(c byte) bool {
	return alphanumeric(c) || c == '-' || c == '.' || c == '_' || c == '~'
}

func alphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

package resourceserver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

// signedAnswerType is the media type of a signed introspection answer, without "application/", and its typ (RFC 9701 §4, §5).
const signedAnswerType = "token-introspection+jwt"

// signedAnswerLife is how old a signed answer may be, beside the clock skew: it is made for the question.
const signedAnswerLife = time.Minute

// parseSignedAnswer reads a signed introspection answer (RFC 9701 §5). Whatever is wrong with it says nothing about the token
// that was asked about: the answer is as good as none.
func (is *issuer) parseSignedAnswer(ctx context.Context, body []byte, now time.Time) (answer, error) {
	limits := jose.Limits{Size: maxAnswer}
	text := string(body)
	if is.config.Decryption != nil && jose.LooksLikeJWE(text) {
		inner, err := is.config.Decryption.Decrypt(text, limits)
		if err != nil {
			return answer{}, err
		}
		text = inner
	}
	jws, err := jose.Parse(text, limits)
	if err != nil {
		return answer{}, err
	}
	if !jws.Header.TypeIs(signedAnswerType) {
		return answer{}, errors.New("its typ is not " + signedAnswerType)
	}
	if !is.allows(jws.Header.Algorithm) {
		return answer{}, errors.New("it is signed with an algorithm that is not accepted")
	}
	key, _, o := is.key(ctx, &jws.Header)
	if o.why != Allowed {
		return answer{}, errors.Join(fmt.Errorf("the key that signed it: %v", o.why), o.cause)
	}
	if err := jws.Verify(key); err != nil {
		return answer{}, err
	}
	claims, err := jws.Claims()
	if err != nil {
		return answer{}, err
	}
	if err := is.checkSignedAnswer(claims, now); err != nil {
		return answer{}, err
	}
	members, ok := claims.Raw("token_introspection")
	if !ok {
		return answer{}, errors.New("it has no member token_introspection")
	}
	return parseAnswer(members)
}

// checkSignedAnswer judges what surrounds the answer: that it is this issuer's, for this gate, and of now.
func (is *issuer) checkSignedAnswer(c *jose.Claims, now time.Time) error {
	switch {
	case !c.Has("iss") || c.Issuer != is.config.Issuer:
		return errors.New("its iss is not the issuer")
	case len(c.Audience) != 1 || c.Audience[0] != is.config.Introspection.ClientID:
		return errors.New("its aud is not the gate's client id, and nothing else")
	case c.IssuedAt.IsZero() || now.Sub(c.IssuedAt) > signedAnswerLife+is.config.ClockSkew:
		return errors.New("it was not issued just now")
	case is.checkTimes(c, now) != Allowed:
		return errors.New("it is not valid at this time")
	}
	return nil
}

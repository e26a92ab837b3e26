package token

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Details are what the record of an access token keeps beside its columns (store.AccessToken.Data, as JSON). A JWT of
// client credentials has none: that is the hot path.
type Details struct {
	// GrantType is the grant_type that made it (oauth.Grant…), or "implicit"; "" stands for client_credentials.
	GrantType   string   `json:"grant_type,omitempty"`
	RedirectURI string   `json:"redirect_uri,omitempty"`
	Nonce       string   `json:"nonce,omitempty"`
	AuthTime    int64    `json:"auth_time,omitempty"` // seconds since 1970
	ACR         string   `json:"acr,omitempty"`
	AMR         []string `json:"amr,omitempty"`
	// Issuer is the iss; "" stands for the environment's own. See store.Environment.OtherIssuer.
	Issuer string `json:"iss,omitempty"`
	// Claims is the claims parameter of the authorization request, as JSON; "" for none.
	Claims string `json:"claims,omitempty"`
	// Bound is what the token is bound to.
	Bound Confirmation `json:"cnf,omitzero"`
	// Origins are the tokens that it was exchanged for.
	Origins []Origin `json:"exchanged_from,omitempty"`
	// Opaque is nil for a JWT that is not encrypted.
	Opaque *OpaqueDetails `json:"opaque,omitempty"`
}

// OpaqueDetails are those of a token that says nothing to this server by itself: an opaque or an encrypted one. However they are printed, they show nothing.
type OpaqueDetails struct {
	Hash   []byte `json:"hash"`   // SHA-256 of the token
	Claims []byte `json:"claims"` // what a JWT would have said, or says inside
	// Key is the kid of what has signed the JWT inside an encrypted token; "" of an opaque one, which no key has signed.
	Key string `json:"kid,omitempty"`
}

// Format writes "[redacted]": the claims are somebody's.
func (OpaqueDetails) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[redacted]") }

// errRecord says nothing of what is in the record.
var errRecord = errors.New("token: the record of an access token cannot be read")

// details are those of a; opaque is nil for a JWT that is not encrypted.
func details(env *store.Environment, a *Access, opaque *OpaqueDetails) *Details {
	d := &Details{
		GrantType: a.GrantType, RedirectURI: a.RedirectURI, Nonce: a.Nonce, ACR: a.ACR, AMR: a.AMR, Claims: a.Claims, Opaque: opaque,
		Issuer: env.OtherIssuer(), Bound: a.Bound, Origins: a.Origins,
	}
	if d.GrantType == oauth.GrantClientCredentials {
		d.GrantType = ""
	}
	if !a.AuthTime.IsZero() {
		d.AuthTime = a.AuthTime.Unix()
	}
	return d
}

// encode writes d for a record. Nothing is nothing. What a request made as long
// as it could is left out rather than the token refused: it is there to be shown only.
func (d *Details) encode() ([]byte, error) {
	if d.GrantType == "" && d.AuthTime == 0 && d.Opaque == nil && d.Issuer == "" && d.Bound.IsZero() {
		return nil, nil
	}
	b, err := json.Marshal(d)
	if err == nil && len(b) > store.MaxAccessTokenData {
		short := *d
		short.Claims, short.Nonce, short.RedirectURI = "", "", ""
		b, err = json.Marshal(&short)
	}
	if err != nil {
		return nil, fmt.Errorf("encode details of access token: %w", err)
	}
	return b, nil
}

// Record is the record of an access token that works. Its Data is read into Details, and nil.
type Record struct {
	store.AccessToken
	Details
}

// readRecord reads the details of t.
func readRecord(t store.AccessToken) (*Record, error) {
	r := &Record{AccessToken: t}
	r.Data = nil
	switch {
	case len(t.Data) > 0:
		if err := json.Unmarshal(t.Data, &r.Details); err != nil {
			return nil, errRecord
		}
	case t.Subject != "" || t.Grant != "":
		// A person's, stored by a release that kept no details: mostly of a code.
		r.GrantType = oauth.GrantAuthorizationCode
	}
	return r, nil
}

// holder is what revocations go by.
func (r *Record) holder() Holder {
	return Holder{
		ID: r.ID, Grant: r.Grant, Session: r.Session, Client: r.Client, Subject: r.Subject,
		Audience: r.Audience, IssuedAt: r.IssuedAt, Origins: r.Origins,
	}
}

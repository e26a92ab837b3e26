package keys

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// description is what Data of a store.Key holds: nothing secret. The keys of an
// environment's own rotation have none.
type description struct {
	Name  string `json:"name,omitempty"`
	Usage Usage  `json:"usage,omitempty"` // "" for a key of a rotation
	// Chain is the key's certificate (DER), and then those that vouch for it.
	Chain [][]byte `json:"chain,omitempty"`
	// Subject is the text of the subject as it was sent; "" is that of the certificate.
	Subject string `json:"subject,omitempty"`
	// SignatureAlgorithm is how the key signs certificates and requests, in PingOne's words.
	SignatureAlgorithm string `json:"signature_algorithm,omitempty"`
	// Issuer is what the key was given as its issuerDN; "" is that of the certificate.
	Issuer    string     `json:"issuer,omitempty"`
	CustomCRL string     `json:"custom_crl,omitempty"`
	Imported  bool       `json:"imported,omitempty"` // somebody out there knows it
	Changed   *time.Time `json:"changed,omitempty"`
	// DN and Length are those of the policy when the key was drawn.
	DN     string `json:"dn,omitempty"`
	Length int    `json:"length,omitempty"`
}

// describe reads the Data of a key.
func describe(k *store.Key) (description, error) {
	var d description
	if len(k.Data) == 0 {
		return d, nil
	}
	if err := json.Unmarshal(k.Data, &d); err != nil {
		return d, fmt.Errorf("read the description of key %s: %w", k.ID, err)
	}
	return d, nil
}

func (d *description) encode() []byte {
	b, err := json.Marshal(d)
	if err != nil {
		panic("keys: " + err.Error()) // strings, bytes and a time
	}
	return b
}

// byHand reports whether somebody made the key, or imported it: it takes no part
// in a rotation until it is made the one that signs.
func (d *description) byHand() bool { return d.Usage != "" }

// certificate is the key's own; nil where it has none.
func (d *description) certificate() (*x509.Certificate, error) {
	if len(d.Chain) == 0 {
		return nil, nil
	}
	return x509.ParseCertificate(d.Chain[0])
}

// Usage is what a key is for.
type Usage string

// Usages of PingOne's keys. Keys of the first alone are published and may sign
// tokens; the others are kept for whoever exports their certificate requests.
const (
	UsageSigning    Usage = "SIGNING"
	UsageEncryption Usage = "ENCRYPTION"
	UsageTLS        Usage = "SSL/TLS"
	UsageIssuance   Usage = "ISSUANCE"
	UsageMutualTLS  Usage = "OUTBOUND_MTLS"
)

package management

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/access"
	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/keys"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const (
	keysPath = "/environments/{environmentID}/keys"
	keyPath  = keysPath + "/{keyID}"

	typeMultipart = "multipart/form-data"
	typeX509      = "application/x-x509-ca-cert"
	typePKCS7     = "application/x-pkcs7-certificates"
	typePKCS10    = "application/pkcs10"
	typePEM       = "application/x-pem-file"
)

// keyRoutes are the keys of an environment: those of its rotations, and those that
// somebody made or imported. A private key is in no answer, log or event.
func (a *API) keyRoutes() []route {
	return []route{
		{
			name: "key.list", method: http.MethodGet, path: keysPath, permission: access.ReadKey, serve: listKeys,
			summary: "Lists keys, those of the rotations included.", query: paging,
			status: http.StatusOK, response: keyView{}, isPage: "keys",
		},
		{
			name: "key.create", method: http.MethodPost, path: keysPath, permission: access.CreateKey, serve: createKey,
			summary: "Draws a key, or imports one with its certificates from a PKCS #12 file.",
			request: map[string]any{typeJSON: keyDraft{}, typeMultipart: keyFile{}}, status: http.StatusCreated, response: keyView{},
		},
		{
			name: "key.read", method: http.MethodGet, path: keyPath, permission: access.ReadKey, serve: readKey,
			summary: "Reads a key, or its certificates: " + typeX509 + " is PEM, " + typePKCS7 + " is DER.",
			status:  http.StatusOK, response: keyView{},
		},
		{
			name: "key.update", method: http.MethodPut, path: keyPath, permission: access.UpdateKey, serve: updateKey,
			summary: "Makes a key the one that signs, or gives it another use or issuerDN.",
			request: map[string]any{typeJSON: keyChange{}}, status: http.StatusOK, response: keyView{},
		},
		{
			name: "key.delete", method: http.MethodDelete, path: keyPath, permission: access.DeleteKey, serve: deleteKey,
			summary: "Deletes a key. What one has signed that signs no more is not good from then on.", status: http.StatusNoContent,
		},
		{
			name: "key.applications", method: http.MethodGet, path: keyPath + "/applications", permission: access.ReadKey, serve: listKeyApplications,
			summary: "Lists the applications that a key signs for.", query: paging,
			status: http.StatusOK, response: directory.Application{}, isPage: "applications",
		},
		{
			name: "key.csr.read", method: http.MethodGet, path: keyPath + "/csr", permission: access.ReadKey, serve: readCertificateRequest,
			summary: "Makes a certificate request: PEM, or as " + typePKCS10 + " DER.", status: http.StatusOK, mediaType: typePEM,
		},
		{
			name: "key.csr.create", method: http.MethodPost, path: keyPath + "/csr", permission: access.UpdateKey, serve: importCertificate,
			summary: "Imports the certificate that a request was answered with.",
			request: map[string]any{typeMultipart: certificateFile{}}, status: http.StatusOK, response: keyView{},
		},
		{
			name: "key.csr.update", method: http.MethodPut, path: keyPath + "/csr", permission: access.UpdateKey, serve: importCertificate,
			summary: "Imports the certificate that a request was answered with.",
			request: map[string]any{typeMultipart: certificateFile{}}, status: http.StatusOK, response: keyView{},
		},
	}
}

// keyDraft is a key to be drawn.
type keyDraft struct {
	Name               string       `json:"name"`
	Algorithm          string       `json:"algorithm"`
	KeyLength          int          `json:"keyLength"`
	SignatureAlgorithm string       `json:"signatureAlgorithm"`
	SubjectDN          string       `json:"subjectDN"`
	IssuerDN           string       `json:"issuerDN,omitzero"`
	UsageType          keys.Usage   `json:"usageType"`
	ValidityPeriod     int64        `json:"validityPeriod"`
	SerialNumber       *json.Number `json:"serialNumber,omitzero"`
	CustomCRL          string       `json:"customCRL,omitzero"`
	Default            bool         `json:"default,omitzero"`
}

// keyFile is a key to be imported.
type keyFile struct {
	File      []byte     `json:"file"`
	UsageType keys.Usage `json:"usageType"`
	Password  string     `json:"password,omitzero"`
}

// certificateFile is a certificate to be imported.
type certificateFile struct {
	File []byte `json:"file"`
}

// keyChange is what may be changed of a key.
type keyChange struct {
	Default   *bool      `json:"default"`
	UsageType keys.Usage `json:"usageType"`
	IssuerDN  string     `json:"issuerDN,omitzero"`
}

// keyDocument is what a key says, here and in the audit log.
type keyDocument struct {
	Name               string     `json:"name"`
	Algorithm          string     `json:"algorithm"`
	KeyLength          int        `json:"keyLength"`
	SignatureAlgorithm string     `json:"signatureAlgorithm"`
	SubjectDN          string     `json:"subjectDN"`
	IssuerDN           string     `json:"issuerDN"`
	SerialNumber       *big.Int   `json:"serialNumber"` // a number, though no double can hold it
	UsageType          keys.Usage `json:"usageType"`
	ValidityPeriod     int64      `json:"validityPeriod"`
	CustomCRL          string     `json:"customCRL,omitzero"`
	Default            bool       `json:"default"`
	Status             string     `json:"status"`
	StartsAt           string     `json:"startsAt"`
	ExpiresAt          string     `json:"expiresAt"`
	// KeyRotationPolicy is the rotation that the key is of; nil for one that somebody made.
	KeyRotationPolicy *reference `json:"keyRotationPolicy,omitzero"`
}

// keyView is a key as it is shown.
type keyView struct {
	Links       map[string]link `json:"_links"`
	ID          string          `json:"id"`
	Environment reference       `json:"environment"`
	keyDocument
	CreatedAt string `json:"createdAt"`
	UpdatedAt string `json:"updatedAt,omitzero"`
}

// keyDocument makes the document of a key. One of a rotation is called after it and
// after its time.
func (c *call) keyDocument(i *keys.Info) (*keyDocument, error) {
	d := &keyDocument{
		Name: i.Name, Algorithm: i.Algorithm, KeyLength: i.Length, SignatureAlgorithm: i.SignatureAlgorithm,
		SubjectDN: i.SubjectDN, IssuerDN: i.IssuerDN, SerialNumber: i.SerialNumber, UsageType: i.Usage, ValidityPeriod: i.ValidityPeriod(),
		CustomCRL: i.CustomCRL, Default: i.Default(), Status: i.Status(c.api.Now()),
		StartsAt: timestamp(i.StartsAt), ExpiresAt: timestamp(i.ExpiresAt),
	}
	if i.ByHand {
		return d, nil
	}
	policy := i.Policy
	if policy == "" {
		policy = directory.FirstKeyRotationPolicy(c.env.ID)
	}
	d.KeyRotationPolicy = &reference{policy}
	name, err := c.policyName(policy)
	d.Name = name + " " + i.CreatedAt.UTC().Format("2006-01-02T15:04:05Z")
	return d, err
}

// policyName is the name of a key rotation policy, or its ID where it is gone and its
// keys are not yet.
func (c *call) policyName(id string) (string, error) {
	it, err := c.api.Live.Item(c.r.Context(), c.env, store.KindKeyRotationPolicy, "", id)
	switch {
	case err == nil:
		return it.Document.Label(), nil
	case errors.Is(err, store.ErrNotFound):
		return id, nil
	}
	return "", oauth.CannotTell("find key rotation policy", err)
}

func (c *call) keyView(i *keys.Info) (*keyView, error) {
	d, err := c.keyDocument(i)
	if err != nil {
		return nil, err
	}
	self := "/environments/" + c.env.ID + "/keys/" + i.ID
	v := &keyView{
		Links: c.links(self, map[string]string{
			"environment": "/environments/" + c.env.ID, "applications": self + "/applications", "csr": self + "/csr",
		}),
		ID: i.ID, Environment: reference{c.env.ID}, keyDocument: *d, CreatedAt: timestamp(i.CreatedAt),
	}
	if !i.UpdatedAt.IsZero() {
		v.UpdatedAt = timestamp(i.UpdatedAt)
	}
	return v, nil
}

// replyKey writes a key. Its entity tag is the version of all keys of the environment: they
// depend on each other.
func (c *call) replyKey(status int, i *keys.Info, version int64) error {
	v, err := c.keyView(i)
	if err != nil {
		return err
	}
	c.showVersion(version)
	return c.reply(status, v)
}

// recordKey keeps a line of the audit log about a change of a key. It is asked again where another node was
// quicker; one line is enough.
func (c *call) recordKey(action string) keys.Recorder {
	done := false
	return func(before, after *keys.Info) error {
		if done {
			return nil
		}
		e := store.Event{Action: action, Kind: store.KindKey}
		for _, side := range []struct {
			info *keys.Info
			text *[]byte
		}{{before, &e.Before}, {after, &e.After}} {
			if side.info == nil {
				continue
			}
			d, err := c.keyDocument(side.info)
			if err != nil {
				return err
			}
			e.Object, e.Name = side.info.ID, d.Name
			if *side.text, err = json.Marshal(d); err != nil {
				return fmt.Errorf("write key %s: %w", e.Object, err)
			}
		}
		if err := c.api.Writer.Record(c.r.Context(), c.actor(), c.env, e); err != nil {
			return err
		}
		done = true
		return nil
	}
}

func listKeys(c *call) error {
	p, err := c.page(maxPage)
	if err != nil {
		return err
	}
	all, _, err := c.api.Keys.List(c.r.Context(), c.env)
	if err != nil {
		return keysUnavailable(err)
	}
	slices.SortFunc(all, func(a, b keys.Info) int { return strings.Compare(a.ID, b.ID) })
	begin := 0
	for begin < len(all) && all[begin].ID <= p.after {
		begin++
	}
	end := min(begin+p.limit, len(all))
	var shown []any
	for i := begin; i < end; i++ {
		v, err := c.keyView(&all[i])
		if err != nil {
			return err
		}
		shown = append(shown, v)
	}
	next := ""
	if end < len(all) {
		next = all[end-1].ID
	}
	return c.collection("keys", shown, next)
}

func createKey(c *call) error {
	if c.contentType() == typeMultipart {
		return importKey(c)
	}
	var d keyDraft
	if err := c.read(&d); err != nil {
		return err
	}
	serial, err := d.serialNumber()
	if err != nil {
		return err
	}
	made, version, err := c.api.Keys.Create(c.r.Context(), c.env, keys.Draft{
		Name: d.Name, Algorithm: d.Algorithm, Length: d.KeyLength, SignatureAlgorithm: d.SignatureAlgorithm,
		SubjectDN: d.SubjectDN, IssuerDN: d.IssuerDN, Usage: d.UsageType, ValidityDays: d.ValidityPeriod,
		SerialNumber: serial, CustomCRL: d.CustomCRL, Default: d.Default,
	}, c.recordKey("KEY.CREATED"))
	if err != nil {
		return keysUnavailable(err)
	}
	return c.replyKey(http.StatusCreated, made, version)
}

// serialNumber reads the number that a certificate is to have; nil for none.
func (d *keyDraft) serialNumber() (*big.Int, error) {
	if d.SerialNumber == nil {
		return nil, nil
	}
	text := d.SerialNumber.String()
	if n, ok := new(big.Int).SetString(text, 10); ok && len(text) <= 60 && n.String() == text {
		return n, nil
	}
	return nil, directory.Invalid(directory.Problemf(directory.InvalidValue, "serialNumber", "must be a whole number of at most 20 bytes"))
}

func importKey(c *call) error {
	form, err := c.multipart(keys.MaxImport)
	if err != nil {
		return err
	}
	usage := keys.Usage(form["usageType"])
	if usage == keys.UsageSigning { // whoever brings a key along knows it: once it may sign tokens, they can be anyone
		if err := c.outranksEverybody(everybody); err != nil {
			return err
		}
	}
	made, version, err := c.api.Keys.Import(c.r.Context(), c.env, keys.Imported{
		File: []byte(form["file"]), Password: form["password"], Usage: usage,
	}, c.recordKey("KEY.IMPORTED"))
	if err != nil {
		return keysUnavailable(err)
	}
	return c.replyKey(http.StatusCreated, made, version)
}

func updateKey(c *call) error {
	precondition, err := c.precondition()
	if err != nil {
		return err
	}
	var change keyChange
	if err := c.read(&change); err != nil {
		return err
	}
	if change.Default == nil {
		return directory.Invalid(directory.Problemf(directory.RequiredValue, "default", "must be true or false"))
	}
	id := c.param("keyID")
	if change.UsageType == keys.UsageSigning {
		switch old, _, err := c.api.Keys.Find(c.r.Context(), c.env, id); {
		case err != nil:
			return keysUnavailable(err)
		case old.Imported && old.Usage != keys.UsageSigning:
			if err := c.outranksEverybody(everybody); err != nil {
				return err
			}
		}
	}
	changed, version, err := c.api.Keys.Update(c.r.Context(), c.env, id, keys.Change{
		Default: *change.Default, Usage: change.UsageType, IssuerDN: change.IssuerDN, Version: precondition.Version,
	}, c.recordKey("KEY.UPDATED"))
	if err != nil {
		return keysUnavailable(err)
	}
	return c.replyKey(http.StatusOK, changed, version)
}

func deleteKey(c *call) error {
	precondition, err := c.precondition()
	if err != nil {
		return err
	}
	err = c.api.Keys.Delete(c.r.Context(), c.env, c.param("keyID"), precondition.Version, c.keyInUse, c.recordKey("KEY.DELETED"))
	if err != nil {
		return keysUnavailable(err)
	}
	return c.noContent()
}

// keyInUse reports whether some application names a key.
func (c *call) keyInUse(i *keys.Info) (bool, error) {
	users, err := c.api.Live.ItemsByKey(c.r.Context(), c.env, store.KindApplication, directory.ApplicationsOfKey(i.ID), 1)
	if err != nil {
		return false, oauth.CannotTell("find applications of the key", err)
	}
	return len(users) > 0, nil
}

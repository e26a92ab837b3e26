package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
)

// The headers of a message (Standard Webhooks 1.0.0, "Webhook headers").
const (
	headerID        = "webhook-id"
	headerTimestamp = "webhook-timestamp"
	headerSignature = "webhook-signature"
)

// sign makes the value of webhook-signature: one signature for each secret, so
// that receivers may change from one to the next when they like (Standard Webhooks 1.0.0, "Signature scheme").
func sign(secrets []directory.SubscriptionSecret, id string, at time.Time, body []byte) (string, error) {
	signatures := make([]string, 0, len(secrets))
	for _, s := range secrets {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(s.Value, directory.SubscriptionSecretPrefix))
		if err != nil || len(key) == 0 {
			return "", fmt.Errorf("the signing secret cannot be read") // not why: that would show some of it
		}
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
		mac.Write(body)
		signatures = append(signatures, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	if len(signatures) == 0 {
		return "", fmt.Errorf("there is no signing secret")
	}
	return strings.Join(signatures, " "), nil
}

package sqlstore

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// micros is a time as a column holds it, and 0 for the zero time.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// moment is a column of micros as a time.
func moment(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// never is the column of an end that does not come, which is written as the
// zero time.
const never = math.MaxInt64

// end is micros of an end that may be none.
func end(t time.Time) int64 {
	if t.IsZero() {
		return never
	}
	return t.UnixMicro()
}

// endMoment is a column of end as a time.
func endMoment(us int64) time.Time {
	if us == never {
		return time.Time{}
	}
	return moment(us)
}

// blob is bytes as a column holds them: none are an empty value, not NULL.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// unblob is a column of blob.
func unblob(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b
}

// flag is a truth as a column holds it.
func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// readHash copies a column of 32 bytes.
func readHash(b []byte, hash *store.Hash) error {
	if len(b) != len(hash) {
		return fmt.Errorf("store: a hash has %d bytes, want %d", len(b), len(hash))
	}
	copy(hash[:], b)
	return nil
}

// encodeStrings writes a list as a JSON array, and none as nothing.
func encodeStrings(list []string) (string, error) {
	if len(list) == 0 {
		return "", nil
	}
	b, err := json.Marshal(list)
	return string(b), err
}

// decodeStrings reads what encodeStrings wrote.
func decodeStrings(s string, list *[]string) error {
	if s == "" {
		return nil
	}
	return json.Unmarshal([]byte(s), list)
}

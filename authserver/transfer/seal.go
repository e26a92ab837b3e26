package transfer

import (
	"bytes"
	"fmt"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// additional is authenticated with what is sealed in a file: whose it is, so that no
// part can be moved to another object.
func additional(environment string, kind store.ObjectKind, id string) []byte {
	return bytes.Join([][]byte{[]byte("gatehouse transfer"), []byte(environment), []byte(kind), []byte(id)}, []byte{0})
}

func seal(s *secret.Sealer, plain []byte, environment string, kind store.ObjectKind, id string) ([]byte, error) {
	sealed, err := s.Seal(plain, additional(environment, kind, id))
	if err != nil {
		return nil, fmt.Errorf("seal %s %s: %w", kind, id, err)
	}
	return sealed, nil
}

// open gives the secret part of a line. One that cannot be opened was sealed by a server
// with another secrets key, or has been tampered with.
func open(s *secret.Sealer, environment string, o *object) ([]byte, error) {
	plain, err := s.Open(o.Sealed, additional(environment, o.Kind, o.ID))
	if err != nil {
		return nil, invalid("has a sealed part that this server's secrets key does not open")
	}
	return plain, nil
}

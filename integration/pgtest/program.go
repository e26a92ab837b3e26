package pgtest

import (
	"fmt"
	"os"
	"strings"
)

// Open prepares a server for a program that is no test, which calls Start, and
// Remove in the end. Settings are PostgreSQL's ("shared_buffers=256MB"); what is
// not said has its default. The error says what is missing where there is no
// PostgreSQL.
func Open(settings ...string) (*Server, error) {
	s, err := newServer()
	if err != nil {
		return nil, err
	}
	for _, setting := range settings {
		s.args = append(s.args, "-c", setting)
	}
	return s, nil
}

// Remove stops the server and deletes its data.
func (s *Server) Remove() {
	s.Stop()
	os.RemoveAll(s.dir)
	s.ports.Release()
}

// Run runs SQL in the database with this connection URL, all in one session, and
// returns the rows as Exec does. The server must be running. What stands in one
// text is one transaction.
func Run(dsn string, texts ...string) (string, error) {
	out, err := psql(dsn, texts...)
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, strings.TrimSpace(out))
	}
	return strings.TrimSpace(out), nil
}

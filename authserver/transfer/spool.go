package transfer

import (
	"bufio"
	"io"
	"os"
)

// spool keeps a file on disk while it is imported, since it is read more than
// once. Nobody else can open it: its name is gone at once, where the system allows that.
type spool struct {
	file  *os.File
	w     *bufio.Writer
	named bool // its name could not be taken away while it is open
}

func newSpool() (*spool, error) {
	f, err := os.CreateTemp("", "gatehouse-import-")
	if err != nil {
		return nil, err
	}
	return &spool{file: f, w: bufio.NewWriterSize(f, 64<<10), named: os.Remove(f.Name()) != nil}, nil
}

func (s *spool) write(line []byte) error {
	if _, err := s.w.Write(line); err != nil {
		return err
	}
	return s.w.WriteByte('\n')
}

// rewind goes back to the first line.
func (s *spool) rewind() error {
	if err := s.w.Flush(); err != nil {
		return err
	}
	_, err := s.file.Seek(0, io.SeekStart)
	return err
}

func (s *spool) close() {
	_ = s.file.Close()
	if s.named {
		_ = os.Remove(s.file.Name())
	}
}

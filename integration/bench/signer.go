package main

import (
	"bufio"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// signer is a child of this program that does nothing but one piece of work, on the server's
// core: sign, which is the limit of any token endpoint, or what else newWork has. It is a target like a server.
type signer struct {
	cmd      *exec.Cmd
	tell     io.WriteCloser
	reply    *bufio.Reader
	poll     *poller // of reply
	upstream *upstream
}

func (b *bench) startSigner(algorithm string) (*signer, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "-signer", algorithm)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	cmd.Stderr = os.Stderr
	tell, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	reply, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	poll, err := newPoller()
	if err != nil {
		return nil, err
	}
	fd, err := descriptor(reply)
	if err == nil {
		err = poll.add(fd, 0)
	}
	if err == nil {
		err = startOn(cmd, b.place.server)
	}
	if err != nil {
		poll.close()
		return nil, err
	}
	return &signer{cmd: cmd, tell: tell, reply: bufio.NewReader(reply), poll: poll, upstream: b.upstream}, nil
}

// close ends the child, which stops when nobody asks any more.
func (s *signer) close() {
	_ = s.tell.Close()
	_ = s.cmd.Wait()
	s.poll.close()
}

func (s *signer) round(warm, window time.Duration) (slice, error) {
	if _, err := s.sign(warm); err != nil {
		return slice{}, err
	}
	used := cpuTime(s.cmd.Process.Pid)
	signed, err := s.sign(window)
	signed.cpu = cpuTime(s.cmd.Process.Pid) - used
	return signed, err
}

// sign has the child sign for that long, and polls meanwhile as a load does.
// A server signs while the load spins on the core beside its own, which slows
// it down by some 7 % where the two are really threads of one core, as those of
// a virtual machine may be. Beside a core at rest the limit would be one that
// nothing with a load can reach.
func (s *signer) sign(window time.Duration) (slice, error) {
	if _, err := fmt.Fprintln(s.tell, window.Microseconds()); err != nil {
		return slice{}, err
	}
	if err := spin(s.upstream, awaited{s.poll}); err != nil {
		return slice{}, err
	}
	var count, micros int64
	if _, err := fmt.Fscanln(s.reply, &count, &micros); err != nil {
		return slice{}, err
	}
	return slice{answers: int(count), window: time.Duration(micros) * time.Microsecond}, nil
}

// awaited is the child's reply on its way.
type awaited struct{ poll *poller }

func (a awaited) step() (finished bool, err error) {
	ready, err := a.poll.wait(0)
	return len(ready) > 0, err
}

func (awaited) close() {} // the signer keeps what it has

// A signer does nothing between its rounds by itself.
func (s *signer) pause()  {}
func (s *signer) resume() {}

// work is what a child does again and again.
type work struct {
	// prepare gets ready for that long, and is not counted; it may be nil.
	prepare func(time.Duration) error
	once    func() error
}

// signOnDemand is the child: for each line with a number of microseconds it works
// for that long, and answers with how often and how long it did.
func signOnDemand(name string, in io.Reader, out io.Writer) error {
	w, err := newWork(name)
	if err != nil {
		return err
	}
	for {
		var micros int64
		if _, err := fmt.Fscanln(in, &micros); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		lasts := time.Duration(micros) * time.Microsecond
		if w.prepare != nil {
			if err := w.prepare(lasts); err != nil {
				return err
			}
		}
		count, begin := 0, time.Now()
		for time.Since(begin) < lasts {
			if err := w.once(); err != nil {
				return err
			}
			count++
		}
		if _, err := fmt.Fprintln(out, count, time.Since(begin).Microseconds()); err != nil {
			return err
		}
	}
}

// Pieces of work beside signing, which is named for its algorithm.
const (
	verifyES256 = "verify ES256"
	judgeDPoP   = "judge DPoP"
)

// newWork makes one: hash and sign as much as a token has, or what is named.
func newWork(name string) (work, error) {
	input := make([]byte, 600)
	switch name {
	case "RS256":
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return work{}, err
		}
		return work{once: func() error {
			digest := sha256.Sum256(input)
			_, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
			return err
		}}, nil
	case "ES256":
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return work{}, err
		}
		return work{once: func() error {
			digest := sha256.Sum256(input)
			_, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
			return err
		}}, nil
	case verifyES256:
		return newVerification()
	case judgeDPoP:
		return newJudging()
	default:
		return work{}, fmt.Errorf("unknown work %q", name)
	}
}

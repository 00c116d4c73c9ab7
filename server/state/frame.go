package state

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// magic begins a generation. Its number is that of the format.
const magic = "corsgate state 1\n"

// kind says what a frame is.
type kind byte

const (
	kindFile    kind = 'f' // a file that is new or has changed
	kindRemoved kind = 'r' // the name of a file that is gone
	kindCommit  kind = 'c' // the end of a set
)

// sum is a SHA-256.
type sum [sha256.Size]byte

// A frame is its kind, the length of its payload, the payload, and the sum of all these.
const headerSize = 1 + 4

func frameHeader(k kind, length int) []byte {
	return binary.BigEndian.AppendUint32([]byte{byte(k)}, uint32(length))
}

func frameSum(header, payload []byte) (s sum) {
	h := sha256.New()
	h.Write(header)
	h.Write(payload)
	h.Sum(s[:0])
	return s
}

// frameWriter writes frames until one cannot be written.
type frameWriter struct {
	to   *bufio.Writer
	size int64 // of all frames
	err  error
}

func (w *frameWriter) write(k kind, payload []byte) {
	header := frameHeader(k, len(payload))
	s := frameSum(header, payload)
	for _, part := range [][]byte{header, payload, s[:]} {
		if w.err == nil {
			_, w.err = w.to.Write(part)
		}
		w.size += int64(len(part))
	}
}

var errDamaged = errors.New("a frame is damaged")

// frameReader reads frames of a file that has left more bytes.
type frameReader struct {
	from *bufio.Reader
	left int64
}

// next returns a frame; the error is io.EOF after the last one.
func (r *frameReader) next() (kind, []byte, error) {
	if r.left == 0 {
		return 0, nil, io.EOF
	}
	header := make([]byte, headerSize)
	if err := r.read(header); err != nil {
		return 0, nil, err
	}
	length := int64(binary.BigEndian.Uint32(header[1:]))
	if length > r.left-sha256.Size {
		return 0, nil, errDamaged
	}
	payload := make([]byte, length)
	if err := r.read(payload); err != nil {
		return 0, nil, err
	}
	var s sum
	if err := r.read(s[:]); err != nil {
		return 0, nil, err
	}
	if s != frameSum(header, payload) {
		return 0, nil, errDamaged
	}
	return kind(header[0]), payload, nil
}

func (r *frameReader) read(into []byte) error {
	if int64(len(into)) > r.left {
		return errDamaged
	}
	r.left -= int64(len(into))
	if _, err := io.ReadFull(r.from, into); err != nil {
		return fmt.Errorf("read a frame: %w", err)
	}
	return nil
}

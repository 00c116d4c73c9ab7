package state

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
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

// frameReader reads the frames of a generation.
type frameReader struct{ data []byte }

// next returns a frame; the error is io.EOF after the last one. A damaged one is left: it
// goes on behind it if its length is right, or else at the next commit.
func (r *frameReader) next() (kind, []byte, error) {
	if len(r.data) == 0 {
		return 0, nil, io.EOF
	}
	size, good := frameSize(r.data)
	if !good {
		r.data = r.data[goOn(r.data, size):]
		return 0, nil, errDamaged
	}
	frame := r.data[:size]
	r.data = r.data[size:]
	return kind(frame[0]), frame[headerSize : size-sha256.Size], nil
}

// frameSize returns the size of the frame that data begins with, as its header says; it is
// 0 if that is beyond the end. good tells that the frame is what was written.
func frameSize(data []byte) (size int, good bool) {
	if len(data) < headerSize+sha256.Size {
		return 0, false
	}
	length := int64(binary.BigEndian.Uint32(data[1:headerSize]))
	if length > int64(len(data)-headerSize-sha256.Size) {
		return 0, false
	}
	end := headerSize + int(length)
	size = end + sha256.Size
	return size, frameSum(data[:headerSize], data[headerSize:end]) == sum(data[end:size])
}

// goOn returns where a frame is behind a damaged one, whose header says that size.
func goOn(data []byte, size int) int {
	if _, good := frameSize(data[size:]); size > 0 && (good || size == len(data)) {
		return size
	}
	for at := headerSize + 1; at < len(data); at++ {
		found := bytes.Index(data[at:], []byte(commitBegin))
		if found < 0 {
			break
		}
		at += found
		begin := data[at-headerSize:]
		if size, good := frameSize(begin[:min(len(begin), maxCommit)]); good && size > 0 && kind(begin[0]) == kindCommit {
			return at - headerSize
		}
	}
	return len(data)
}

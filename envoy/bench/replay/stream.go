// Package replay plays gRPC streams that an Envoy has opened to a server again,
// many at a time over one connection, and costs little itself: it writes the
// recorded bytes and looks only for the end of each answer.
package replay

import "encoding/binary"

// Field is a header field of a stream.
type Field struct{ Name, Value string }

// Stream is one gRPC stream as Envoy opens it.
type Stream struct {
	// Path is the method: /SERVICE/METHOD.
	Path string
	// Header is the metadata that came with it, without pseudo-headers.
	Header []Field
	// Messages are what Envoy sends, encoded. The next one is sent when the one
	// before was answered.
	Messages [][]byte
	// Unary says that the stream is a call with one message: its end is the
	// server's. Other streams are ended by RST_STREAM after the last answer,
	// as Envoy's ext_proc does by default.
	Unary bool
}

// prefixLen is the length of a gRPC message's prefix: a flag that tells whether
// it is compressed, and its length in four bytes.
const prefixLen = 5

// frame puts the prefix before a message.
func frame(message []byte) []byte {
	out := make([]byte, prefixLen, prefixLen+len(message))
	binary.BigEndian.PutUint32(out[1:], uint32(len(message)))
	return append(out, message...)
}

// unframe returns the message at the start of b once it is there as a whole.
func unframe(b []byte) (message []byte, whole bool) {
	if len(b) < prefixLen {
		return nil, false
	}
	end := prefixLen + int(binary.BigEndian.Uint32(b[1:]))
	if len(b) < end {
		return nil, false
	}
	return b[prefixLen:end], true
}

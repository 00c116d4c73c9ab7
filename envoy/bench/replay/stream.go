// Package replay repeats gRPC streams that an Envoy has opened to a server, many at a time
// over one connection. It costs little itself: it writes the recorded bytes and looks only
// for the end of each answer.
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
	// Messages are the encoded messages that Envoy sends. Each is sent once the one before
	// was answered.
	Messages [][]byte
	// Unary says that the stream is a call with one message, which the server ends. The
	// client ends other streams by RST_STREAM after the last answer, as Envoy's ext_proc
	// does by default.
	Unary bool
}

// prefixLen is the length of a gRPC message's prefix: a flag for compression, and the
// message's length in four bytes.
const prefixLen = 5

// frame puts the prefix before a message.
func frame(message []byte) []byte {
	out := make([]byte, prefixLen, prefixLen+len(message))
	binary.BigEndian.PutUint32(out[1:], uint32(len(message)))
	return append(out, message...)
}

// unframe returns the message at the start of b, if it is complete.
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

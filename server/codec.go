package server

import (
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // registers the codec below
	"google.golang.org/grpc/mem"
)

// question is one of Envoy's messages as it came, and answer one as it goes:
// package wire reads and writes their bytes.
type (
	question struct{ bytes mem.Buffer }
	answer   struct{ bytes mem.BufferSlice }
)

// encoded is a message to send that is already encoded. Services that join may have such
// messages, as when many clients get the same one. Nobody may change the bytes.
type encoded interface{ Encoded() [][]byte }

// answerSize is the capacity of the buffers for answers. All but answers with
// long lists fit, and grpc pools buffers from 1 KiB on.
const answerSize = 4 << 10

// write returns the answer that fill appends to a buffer, or nil if it appends nothing.
func write(fill func(dst []byte) ([]byte, error)) (*answer, error) {
	pool := mem.DefaultBufferPool()
	buf := pool.Get(answerSize)
	b, err := fill((*buf)[:0])
	if b == nil || err != nil {
		pool.Put(buf)
		return nil, err
	}
	if cap(b) != cap(*buf) { // it has outgrown the pool's buffer
		pool.Put(buf)
		return &answer{mem.BufferSlice{mem.SliceBuffer(b)}}, nil
	}
	*buf = b
	return &answer{mem.BufferSlice{mem.NewBuffer(buf, pool)}}, nil
}

// codec passes on the bytes of questions, answers and encoded messages. It leaves all
// other messages, such as those of the health service, to the codec that it replaces.
type codec struct{ encoding.CodecV2 }

func newCodec() codec { return codec{encoding.GetCodecV2("proto")} }

// Marshal returns the bytes of v, whose references the caller takes over.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	switch v := v.(type) {
	case *answer:
		return v.bytes, nil
	case encoded:
		var buffers mem.BufferSlice
		for _, b := range v.Encoded() {
			buffers = append(buffers, mem.SliceBuffer(b))
		}
		return buffers, nil
	}
	return c.CodecV2.Marshal(v)
}

// Unmarshal keeps a reference to the bytes of a question, which its receiver
// frees. Only a message that came in several buffers is copied.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	if q, ok := v.(*question); ok {
		q.bytes = data.MaterializeToBuffer(mem.DefaultBufferPool())
		return nil
	}
	return c.CodecV2.Unmarshal(data, v)
}

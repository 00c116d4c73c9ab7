package hostile

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/corsgate/corsgate/server/contract"
	"github.com/corsgate/corsgate/server/servertest"
)

// raw is an HTTP/2 client that keeps to no rule by itself. What the server says
// is thrown away, but for answers to pings.
type raw struct {
	conn    net.Conn
	framer  *http2.Framer
	pongs   chan struct{} // closed when the server has hung up
	block   bytes.Buffer
	encoder *hpack.Encoder
	last    uint32 // stream; the first one is 1
}

func dialRaw(t *testing.T, address string) *raw {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	r := &raw{conn: conn, framer: http2.NewFramer(conn, conn), pongs: make(chan struct{}, 1)}
	r.last-- // a client's streams are odd
	r.encoder = hpack.NewEncoder(&r.block)
	go r.listen()
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	if err := r.framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	return r
}

// listen reads until the server hangs up.
func (r *raw) listen() {
	defer close(r.pongs)
	for {
		frame, err := r.framer.ReadFrame()
		if err != nil {
			_, _ = io.Copy(io.Discard, r.conn)
			return
		}
		if ping, ok := frame.(*http2.PingFrame); ok && ping.IsAck() {
			r.pongs <- struct{}{}
		}
	}
}

// taken returns when the server has read all that was sent before.
func (r *raw) taken(t *testing.T) {
	t.Helper()
	if err := r.framer.WritePing(false, [8]byte{}); err != nil {
		t.Fatal(err)
	}
	if _, ok := <-r.pongs; !ok {
		t.Fatal("the server has hung up")
	}
}

// open opens a call of ext_proc and sends nothing. Errors mean that the server
// has hung up, which it may.
func (r *raw) open(more ...hpack.HeaderField) error {
	r.block.Reset()
	fields := []hpack.HeaderField{
		{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"}, {Name: ":authority", Value: "corsgate"},
		{Name: ":path", Value: "/" + contract.ExtProc + "/Process"},
		{Name: "content-type", Value: "application/grpc"}, {Name: "te", Value: "trailers"},
	}
	for _, f := range append(fields, more...) {
		if err := r.encoder.WriteField(f); err != nil {
			return err
		}
	}
	r.last += 2
	// Who is not read from is pushed back.
	_ = r.conn.SetWriteDeadline(time.Now().Add(servertest.Patience))
	return r.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: r.last, BlockFragment: r.block.Bytes(), EndHeaders: true})
}

// reset resets the last call.
func (r *raw) reset() error { return r.framer.WriteRSTStream(r.last, http2.ErrCodeCancel) }

// announce announces a message of that size and sends a part of it.
func (r *raw) announce(size uint32, part int) error {
	data := make([]byte, 5+part)
	binary.BigEndian.PutUint32(data[1:], size)
	return r.framer.WriteData(r.last, false, data)
}

package replay

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	// connectionWindow is what a server may send before it needs an update:
	// more than any run, so that the client never sends one.
	connectionWindow = math.MaxInt32
	// defaultWindow is RFC 9113's, section 6.9.2.
	defaultWindow = 65535
)

// Client plays one stream again and again over one connection. It is not safe
// for concurrent use, and of no use after an error.
type Client struct {
	// Answer, if it is set, gets each answer and the number of its message, from 0. The
	// bytes are valid only during the call.
	Answer func(step int, message []byte)

	stream   Stream
	messages [][]byte // with their prefixes

	conn    net.Conn
	r       *bufio.Reader
	w       *bufio.Writer
	framer  *http2.Framer
	encoder *hpack.Encoder
	block   bytes.Buffer // what the encoder has written

	next    uint32               // the ID of the next stream
	open    map[uint32]*exchange // :: stream ID
	parked  []*exchange          // those that wait before their second message, the oldest first
	park    int                  // how many are kept so
	done    int                  // streams that had all their answers
	window  int                  // bytes that the server still takes
	blocked []*exchange          // those whose message waits for window
}

// exchange is one stream that is under way.
type exchange struct {
	id       uint32
	step     int // the message that was sent last
	answer   []byte
	answered bool // the last message was
}

// Dial connects to a server: HOST:PORT or unix:///PATH.
func Dial(ctx context.Context, address string, stream Stream) (*Client, error) {
	network := "tcp"
	if path, ok := strings.CutPrefix(address, "unix://"); ok {
		network, address = "unix", path
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	c := &Client{
		stream: stream, conn: conn, next: 1, open: map[uint32]*exchange{}, window: defaultWindow,
		r: bufio.NewReaderSize(conn, 64<<10), w: bufio.NewWriterSize(conn, 64<<10),
	}
	for _, m := range stream.Messages {
		c.messages = append(c.messages, frame(m))
	}
	c.framer = http2.NewFramer(c.w, c.r)
	c.framer.SetReuseFrames()
	c.encoder = hpack.NewEncoder(&c.block)
	return c, c.greet()
}

// greet sends the beginning of a connection (RFC 9113, section 3.4).
func (c *Client) greet() error {
	_, err := c.w.WriteString(http2.ClientPreface)
	return cmp.Or(err,
		c.framer.WriteSettings(http2.Setting{ID: http2.SettingEnablePush, Val: 0}),
		c.framer.WriteWindowUpdate(0, connectionWindow-defaultWindow),
	)
}

// Close closes the connection and all streams that are still open.
func (c *Client) Close() error { return c.conn.Close() }

// Park leaves n streams open whose first message was answered. From then on, a stream's
// second message is sent once n later streams wait. inFlight bounds how many are opened
// at a time.
func (c *Client) Park(ctx context.Context, n, inFlight int) error {
	c.park = n
	return c.play(ctx, n, inFlight, func() bool { return len(c.parked) == n })
}

// Run opens total streams, at most inFlight at a time, and returns once as many have
// ended. The parked streams take turns with the new ones.
func (c *Client) Run(ctx context.Context, total, inFlight int) error {
	c.done = 0
	return c.play(ctx, total, inFlight, func() bool { return c.done == total })
}

// play opens streams and reads answers until it is enough.
func (c *Client) play(ctx context.Context, total, inFlight int, enough func() bool) error {
	stop := context.AfterFunc(ctx, func() { c.conn.Close() })
	defer stop()
	for !enough() {
		for ; total > 0 && len(c.open)-len(c.parked) < inFlight; total-- {
			if err := c.begin(); err != nil {
				return c.failed(ctx, err)
			}
		}
		if err := c.read(); err != nil {
			return c.failed(ctx, err)
		}
	}
	return c.failed(ctx, c.w.Flush())
}

func (c *Client) failed(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("replay %s: %w", c.stream.Path, cmp.Or(ctx.Err(), err))
}

// begin opens a stream and sends its first message.
func (c *Client) begin() error {
	x := &exchange{id: c.next}
	c.next += 2
	c.open[x.id] = x
	c.block.Reset()
	for _, f := range c.header() {
		if err := c.encoder.WriteField(hpack.HeaderField{Name: f.Name, Value: f.Value}); err != nil {
			return err
		}
	}
	err := c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: x.id, BlockFragment: c.block.Bytes(), EndHeaders: true})
	return cmp.Or(err, c.send(x))
}

func (c *Client) header() []Field {
	return append([]Field{{":method", "POST"}, {":scheme", "http"}, {":path", c.stream.Path}}, c.stream.Header...)
}

// send sends the message of x's step, now or once the server has room for it.
func (c *Client) send(x *exchange) error {
	message := c.messages[x.step]
	if len(message) > c.window {
		c.blocked = append(c.blocked, x)
		return nil
	}
	c.window -= len(message)
	x.answer, x.answered = x.answer[:0], false
	return c.framer.WriteData(x.id, c.stream.Unary, message)
}

// read reads one frame. Before it waits, it sends what was written.
func (c *Client) read() error {
	if c.r.Buffered() == 0 {
		if err := c.w.Flush(); err != nil {
			return err
		}
	}
	f, err := c.framer.ReadFrame()
	if err != nil {
		return err
	}
	switch f := f.(type) {
	case *http2.DataFrame:
		return c.data(f)
	case *http2.HeadersFrame:
		return c.headers(f)
	case *http2.SettingsFrame:
		if f.IsAck() {
			return nil
		}
		return c.framer.WriteSettingsAck()
	case *http2.PingFrame:
		if f.IsAck() {
			return nil
		}
		return c.framer.WritePing(true, f.Data)
	case *http2.WindowUpdateFrame:
		return c.widen(f)
	case *http2.GoAwayFrame:
		return fmt.Errorf("the server said GOAWAY: %v", f.ErrCode)
	case *http2.RSTStreamFrame:
		return c.ended(f.StreamID)
	}
	return nil
}

// widen sends what waited for the server's room.
func (c *Client) widen(f *http2.WindowUpdateFrame) error {
	if f.StreamID != 0 {
		return nil // a message is far smaller than a stream's own window
	}
	c.window += int(f.Increment)
	waiting := c.blocked
	c.blocked = nil
	for _, x := range waiting {
		if err := c.send(x); err != nil {
			return err
		}
	}
	return nil
}

// headers looks only for the end of a stream. The headers at the beginning of a response
// do not matter.
func (c *Client) headers(f *http2.HeadersFrame) error {
	if !f.StreamEnded() {
		return nil
	}
	return c.ended(f.StreamID)
}

// errNoAnswer is the error for a server that ends a stream too early.
var errNoAnswer = errors.New("the server ended a stream without an answer")

// ended handles the server's end of a stream. The server may end it after the answer to
// a call, or if the client has already ended it.
func (c *Client) ended(id uint32) error {
	x := c.open[id]
	if x == nil {
		return nil
	}
	if !c.stream.Unary || !x.answered {
		return errNoAnswer
	}
	c.finish(x)
	return nil
}

func (c *Client) finish(x *exchange) {
	delete(c.open, x.id)
	c.done++
}

// data gathers an answer.
func (c *Client) data(f *http2.DataFrame) error {
	x := c.open[f.StreamID]
	if x == nil {
		return nil
	}
	x.answer = append(x.answer, f.Data()...)
	message, whole := unframe(x.answer)
	if !whole {
		return nil
	}
	if c.Answer != nil {
		c.Answer(x.step, message)
	}
	x.answered = true
	return c.advance(x)
}

// advance does the next step after an answer.
func (c *Client) advance(x *exchange) error {
	if c.stream.Unary {
		return nil // the end comes with the trailers
	}
	if x.step == len(c.messages)-1 {
		c.finish(x)
		return c.framer.WriteRSTStream(x.id, http2.ErrCodeCancel)
	}
	c.parked = append(c.parked, x)
	for len(c.parked) > c.park {
		oldest := c.parked[0]
		c.parked = c.parked[1:]
		oldest.step++
		if err := c.send(oldest); err != nil {
			return err
		}
	}
	return nil
}

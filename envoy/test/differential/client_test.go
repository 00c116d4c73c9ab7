package differential

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/corsgate/corsgate/policy/cases"
	"github.com/corsgate/corsgate/policy/respond"
	"github.com/corsgate/corsgate/server/servertest"
)

// client sends the bytes of requests as they are, one after the other, over a
// connection for each version of HTTP.
type client struct {
	address string
	http1   *http1
	http2   *http2Conn
}

// send returns the answer to r. After an error the next request gets a connection of
// its own.
func (c *client) send(r cases.Request, overHTTP2 bool) (respond.Response, error) {
	if overHTTP2 {
		return c.sendHTTP2(r)
	}
	return c.sendHTTP1(r)
}

func (c *client) close() {
	if c.http1 != nil {
		c.http1.Close()
	}
	if c.http2 != nil {
		c.http2.Close()
	}
}

// http1 is a connection of HTTP/1.
type http1 struct {
	net.Conn
	reader *bufio.Reader
}

func (c *client) sendHTTP1(r cases.Request) (respond.Response, error) {
	if c.http1 == nil {
		conn, err := net.Dial("tcp", c.address)
		if err != nil {
			return respond.Response{}, err
		}
		c.http1 = &http1{conn, bufio.NewReader(conn)}
	}
	resp, again, err := c.http1.send(r)
	if !again {
		c.http1.Close()
		c.http1 = nil
	}
	return resp, err
}

// send also tells whether the connection can be used again.
func (c *http1) send(r cases.Request) (got respond.Response, again bool, err error) {
	_ = c.SetDeadline(time.Now().Add(servertest.Patience))
	if _, err := io.WriteString(c, requestText(r)); err != nil {
		return got, false, err
	}
	resp, err := http.ReadResponse(c.reader, &http.Request{Method: r.Method})
	if err != nil {
		return got, false, err
	}
	defer resp.Body.Close()
	got = respond.Response{Status: resp.StatusCode, Headers: respond.Headers{}}
	for name, lines := range resp.Header {
		got.Headers[strings.ToLower(name)] = lines
	}
	if resp.StatusCode == http.StatusSwitchingProtocols || resp.Close {
		return got, false, nil
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return got, err == nil, err
}

func requestText(r cases.Request) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nhost: %s\r\n", r.Method, r.Path, r.Host)
	for _, name := range slices.Sorted(maps.Keys(r.Headers)) {
		for _, value := range r.Headers[name] {
			fmt.Fprintf(&b, "%s: %s\r\n", name, value)
		}
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		b.WriteString("content-length: 0\r\n")
	}
	return b.String() + "\r\n"
}

// http2Conn is a connection of HTTP/2.
type http2Conn struct {
	net.Conn
	framer  *http2.Framer
	encoder *hpack.Encoder
	block   bytes.Buffer
	last    uint32 // stream
}

func (c *client) sendHTTP2(r cases.Request) (respond.Response, error) {
	if c.http2 == nil {
		conn, err := dialHTTP2(c.address)
		if err != nil {
			return respond.Response{}, err
		}
		c.http2 = conn
	}
	resp, err := c.http2.send(r)
	if err != nil {
		c.http2.Close()
		c.http2 = nil
	}
	return resp, err
}

func dialHTTP2(address string) (*http2Conn, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	c := &http2Conn{Conn: conn, framer: http2.NewFramer(conn, bufio.NewReader(conn))}
	c.last-- // a client's streams are odd
	c.encoder = hpack.NewEncoder(&c.block)
	c.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		return nil, err
	}
	return c, c.framer.WriteSettings()
}

func (c *http2Conn) send(r cases.Request) (respond.Response, error) {
	_ = c.SetDeadline(time.Now().Add(servertest.Patience))
	c.block.Reset()
	for _, f := range fields(r) {
		if err := c.encoder.WriteField(f); err != nil {
			return respond.Response{}, err
		}
	}
	c.last += 2
	open := r.Protocol != "" // what is connected stays so until the client has its answer
	err := c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: c.last, BlockFragment: c.block.Bytes(), EndHeaders: true, EndStream: !open})
	if err != nil {
		return respond.Response{}, err
	}
	resp, err := c.answer(open)
	if err == nil && open {
		err = c.framer.WriteRSTStream(c.last, http2.ErrCodeCancel)
	}
	return resp, err
}

// fields are the header fields of r (RFC 9113, section 8.3.1; RFC 8441).
func fields(r cases.Request) []hpack.HeaderField {
	list := []hpack.HeaderField{{Name: ":method", Value: r.Method}, {Name: ":scheme", Value: "http"}, {Name: ":authority", Value: r.Host}, {Name: ":path", Value: r.Path}}
	if r.Protocol != "" {
		list = append(list, hpack.HeaderField{Name: ":protocol", Value: r.Protocol})
	}
	for _, name := range slices.Sorted(maps.Keys(r.Headers)) {
		for _, value := range r.Headers[name] {
			list = append(list, hpack.HeaderField{Name: name, Value: value})
		}
	}
	return list
}

// answer reads until the last stream has ended, or only its header if it is open.
func (c *http2Conn) answer(open bool) (got respond.Response, err error) {
	for ended := false; !ended; {
		frame, err := c.framer.ReadFrame()
		if err != nil {
			return got, err
		}
		if id := frame.Header().StreamID; id != 0 && id != c.last {
			continue // of what was connected
		}
		switch f := frame.(type) {
		case *http2.MetaHeadersFrame:
			ended = open || f.StreamEnded()
			got, err = received(f)
		case *http2.DataFrame:
			ended = f.StreamEnded()
		case *http2.RSTStreamFrame: // an answer may have come before
			ended = true
		default:
			err = c.control(f)
		}
		if err != nil {
			return got, err
		}
	}
	if got.Status == 0 {
		return got, errors.New("the server reset the stream")
	}
	return got, nil
}

// control answers a frame of the connection.
func (c *http2Conn) control(frame http2.Frame) error {
	switch f := frame.(type) {
	case *http2.GoAwayFrame:
		return fmt.Errorf("the server said GOAWAY: %v", f.ErrCode)
	case *http2.SettingsFrame:
		if !f.IsAck() {
			return c.framer.WriteSettingsAck()
		}
	case *http2.PingFrame:
		return c.framer.WritePing(true, f.Data)
	}
	return nil
}

func received(f *http2.MetaHeadersFrame) (got respond.Response, err error) {
	got = respond.Response{Headers: respond.Headers{}}
	got.Status, err = strconv.Atoi(f.PseudoValue("status"))
	for _, field := range f.RegularFields() {
		got.Headers[field.Name] = append(got.Headers[field.Name], field.Value)
	}
	return got, err
}

package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/websocket"

	"github.com/corsgate/corsgate/server/servertest"
)

// TestConnections sends what is no ordinary request.
func TestConnections(t *testing.T) {
	eachSetup(t, func(t *testing.T, s *setup) {
		t.Run("broken HTTP", s.testBrokenHTTP)
		t.Run("WebSocket", s.testWebSocket)
		t.Run("WebSocket handshakes", s.testHandshakes)
	})
}

// testBrokenHTTP sends what Envoy's codec or connection manager refuses before,
// or beside, the filters: the answer must come through, not an empty one.
func (s *setup) testBrokenHTTP(t *testing.T) {
	cases := []struct {
		name, request string
		want          int
	}{
		{"headers that are too large", "GET / HTTP/1.1\r\nHost: app.test\r\n" + allowed + "\r\nX-Large: " + strings.Repeat("x", 70_000) + "\r\n\r\n", 431},
		{"a method that is no token", "G@T / HTTP/1.1\r\nHost: app.test\r\n" + allowed + "\r\n\r\n", 400},
		{"a header name that is no token", "GET / HTTP/1.1\r\nHost: app.test\r\nOri gin: x\r\n\r\n", 400},
		{"two lengths", "POST / HTTP/1.1\r\nHost: app.test\r\n" + allowed + "\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		{"no host", "GET / HTTP/1.1\r\n" + allowed + "\r\n\r\n", 400},
		{"a preflight for everything", "OPTIONS * HTTP/1.1\r\nHost: app.test\r\n" + allowed + "\r\n" + asksPut + "\r\n\r\n", 404},
		{"a path that is no text", "GET /caf\xe9 HTTP/1.1\r\nHost: app.test\r\n" + allowed + "\r\n\r\n", 400},
		{"an origin that is no text", "GET / HTTP/1.1\r\nHost: app.test\r\nOrigin: \xff\r\n\r\n", 200},
	}
	for _, tc := range cases {
		got, err := raw(s.address(), http.MethodGet, tc.request)
		if err != nil {
			t.Errorf("%s: no answer: %v", tc.name, err)
		} else if got.StatusCode != tc.want {
			t.Errorf("%s: %d, want %d", tc.name, got.StatusCode, tc.want)
		}
	}
}

// raw sends bytes and reads the head of the answer, whose form depends on the
// request's method.
func raw(address, method, request string) (*http.Response, error) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(servertest.Patience)); err != nil {
		return nil, err
	}
	if _, err := io.WriteString(c, request); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		return nil, err
	}
	return resp, resp.Body.Close()
}

// testWebSocket opens WebSockets: CORS does not govern them, whatever the
// policy says of the origin, and they live on after the decision.
func (s *setup) testWebSocket(t *testing.T) {
	for _, host := range []string{"app.test", "strict.test", "plain.test"} {
		for _, origin := range []string{"https://app.example", "https://evil.example"} {
			if err := echoes(s.address(), host, origin); err != nil {
				t.Errorf("%s from %s: %v", host, origin, err)
			}
		}
	}
}

// testHandshakes reads the answers to handshakes: their headers are
// those of any answer, though no browser looks at them.
func (s *setup) testHandshakes(t *testing.T) {
	cases := []struct {
		host, origin string
		want         []string
	}{
		{"app.test", allowed, grants},
		{"app.test", denied, []string{vary}},
		{"strict.test", allowed, grants},
		{"strict.test", denied, []string{vary}},
		{"public.test", denied, publicGrants},
		{"plain.test", denied, nil},
	}
	for _, tc := range cases {
		resp, err := raw(s.address(), http.MethodGet, "GET /ws HTTP/1.1\r\nHost: "+tc.host+"\r\n"+tc.origin+"\r\n"+handshake)
		if err != nil {
			t.Errorf("%s: no answer: %v", tc.host, err)
			continue
		}
		for _, line := range differences(of("101", tc.want), of(fmt.Sprint(resp.StatusCode), corsLines(resp.Header))) {
			t.Errorf("%s, %s: %s", tc.host, tc.origin, line)
		}
	}
}

// handshake are the header lines of a WebSocket handshake (RFC 6455, section
// 1.3), and the end of the request.
const handshake = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// echoes opens a WebSocket and sends a message to and fro.
func echoes(address, host, origin string) error {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(servertest.Patience)); err != nil {
		return err
	}
	config, err := websocket.NewConfig("ws://"+host+"/ws", origin)
	if err != nil {
		return err
	}
	ws, err := websocket.NewClient(config, c)
	if err != nil {
		return err
	}
	for _, message := range []string{"one", "two"} {
		if _, err := io.WriteString(ws, message); err != nil {
			return err
		}
		got := make([]byte, len(message))
		if _, err := io.ReadFull(ws, got); err != nil || string(got) != message {
			return fmt.Errorf("sent %q, got %q: %w", message, got, err)
		}
	}
	return nil
}

package browsers

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"
)

// startProxy runs a SOCKS5 server (RFC 1928) until the test ends, and returns
// its address. Through it browsers reach each host where route says, and nothing
// that route does not know: the answer is empty.
func startProxy(t *testing.T, route func(host, port string) string) string {
	t.Helper()
	l := listen(t)
	p := &proxy{route: route, open: map[net.Conn]bool{}}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { p.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.close()
		serving.Wait()
	})
	return l.Addr().String()
}

// proxy is the server with the connections that it has open.
type proxy struct {
	route func(host, port string) string

	mu     sync.Mutex
	open   map[net.Conn]bool
	closed bool
}

// keep has close end the connection, too; false means that it came too late.
func (p *proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		c.Close()
		return false
	}
	p.open[c] = true
	return true
}

func (p *proxy) end(c net.Conn) {
	c.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, c)
}

func (p *proxy) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for c := range p.open {
		c.Close()
	}
}

// serve joins one client with the host that it asks for.
func (p *proxy) serve(client net.Conn) {
	if !p.keep(client) {
		return
	}
	defer p.end(client)
	host, port, err := handshake(client)
	if err != nil {
		return
	}
	server, err := net.Dial("tcp", p.route(host, port))
	if err != nil || !p.keep(server) {
		client.Write([]byte{5, 4, 0, 1, 0, 0, 0, 0, 0, 0}) // host unreachable
		return
	}
	defer p.end(server)
	client.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0}) // connected
	// When one side has ended, so has the other.
	go func() {
		io.Copy(server, client)
		server.Close()
	}()
	io.Copy(client, server)
}

// handshake agrees on no authentication, and returns what the client wants to
// connect to (RFC 1928, sections 3 and 4).
func handshake(c net.Conn) (host, port string, err error) {
	if _, err := readCounted(c, 1); err != nil { // methods
		return "", "", err
	}
	if _, err := c.Write([]byte{5, 0}); err != nil {
		return "", "", err
	}
	var head [4]byte // version, command, reserved, kind of address
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return "", "", err
	}
	switch head[3] {
	case 1:
		address, err := readBytes(c, net.IPv4len)
		if err != nil {
			return "", "", err
		}
		host = net.IP(address).String()
	case 3:
		name, err := readCounted(c, 0)
		if err != nil {
			return "", "", err
		}
		host = string(name)
	default:
		return "", "", errors.New("this kind of address is not known")
	}
	number, err := readBytes(c, 2)
	if err != nil {
		return "", "", err
	}
	return host, strconv.Itoa(int(binary.BigEndian.Uint16(number))), nil
}

// readCounted skips some bytes and reads a list with its length before it.
func readCounted(r io.Reader, skip int) ([]byte, error) {
	head, err := readBytes(r, skip+1)
	if err != nil {
		return nil, err
	}
	return readBytes(r, int(head[skip]))
}

func readBytes(r io.Reader, n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := io.ReadFull(r, b)
	return b, err
}

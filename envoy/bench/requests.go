package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"
)

// requestsJob is HTTP/1.1 load: the same request again and again.
type requestsJob struct {
	Address string // HOST:PORT
	Request string // the bytes of one request without a body
	Status  int    // what each is to be answered with
	// Connections is how many connections send requests, each as soon as the answer to the
	// one before has come.
	Connections int
	// Warm and Total are how many requests come before the measurement and in it.
	Warm, Total int
}

// playRequests warms up, says that it is ready, and makes the load when it is told to.
func playRequests(ctx context.Context, j requestsJob, in *bufio.Scanner, out io.Writer) error {
	conns, err := j.dial(ctx)
	if err != nil {
		return err
	}
	defer closeAll(conns)
	if err := j.load(conns, j.Warm); err != nil {
		return err
	}
	fmt.Fprintln(out, "ready")
	for in.Scan() {
		if err := j.load(conns, j.Total); err != nil {
			return err
		}
		fmt.Fprintln(out, "done")
	}
	return nil
}

// requestConn is one connection of the load.
type requestConn struct {
	net.Conn
	r *bufio.Reader
}

func (j *requestsJob) dial(ctx context.Context) ([]requestConn, error) {
	var conns []requestConn
	for range j.Connections {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", j.Address)
		if err != nil {
			closeAll(conns)
			return nil, fmt.Errorf("connect: %w", err)
		}
		conns = append(conns, requestConn{conn, bufio.NewReader(conn)})
	}
	return conns, nil
}

func closeAll(conns []requestConn) {
	for _, c := range conns {
		_ = c.Close() // nothing is sent any more
	}
}

// once connects and makes the load.
func (j *requestsJob) once(ctx context.Context) error {
	conns, err := j.dial(ctx)
	if err != nil {
		return err
	}
	defer closeAll(conns)
	return j.load(conns, j.Total)
}

// load makes about total requests: as many on each connection.
func (j *requestsJob) load(conns []requestConn, total int) error {
	var g errgroup.Group
	for _, c := range conns {
		g.Go(func() error {
			for range total / len(conns) {
				if err := c.exchange(j.Request, j.Status); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// exchange makes one request and reads its answer.
func (c requestConn) exchange(request string, status int) error {
	if _, err := io.WriteString(c, request); err != nil {
		return fmt.Errorf("send a request: %w", err)
	}
	line, err := c.r.ReadString('\n')
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if _, rest, _ := strings.Cut(line, " "); !strings.HasPrefix(rest, strconv.Itoa(status)) {
		return fmt.Errorf("the answer is %q, want %d", strings.TrimSpace(line), status)
	}
	length, err := c.header()
	if err != nil {
		return fmt.Errorf("read the answer's header: %w", err)
	}
	_, err = c.r.Discard(length)
	return err
}

// header reads the rest of an answer's header and returns the length of the
// body that follows.
func (c requestConn) header() (length int, err error) {
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		name, value, found := strings.Cut(strings.TrimRight(string(line), "\r\n"), ":")
		switch {
		case name == "":
			return length, nil
		case !found:
			return 0, fmt.Errorf("%q is not a header field", line)
		case strings.EqualFold(name, "content-length"):
			if length, err = strconv.Atoi(strings.TrimSpace(value)); err != nil {
				return 0, err
			}
		case strings.EqualFold(name, "transfer-encoding"):
			return 0, errors.New("the body has no length, which this client does not read")
		}
	}
}

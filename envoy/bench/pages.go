package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
)

// pagesJob are pages that watch decisions on the console.
type pagesJob struct {
	Admin string // HOST:PORT
	Pages int
	// Deaf pages read nothing of what comes.
	Deaf bool
}

// playPages opens the pages, says that it is ready, and closes them at the end.
func playPages(ctx context.Context, j pagesJob, in *bufio.Scanner, out io.Writer) error {
	for range j.Pages {
		conn, err := j.open(ctx)
		if err != nil {
			return err
		}
		defer conn.Close()
	}
	fmt.Fprintln(out, "ready")
	untilEOF(in)
	return nil
}

// open opens a page, which gets events from then on.
func (j *pagesJob) open(ctx context.Context) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", j.Admin)
	if err != nil {
		return nil, fmt.Errorf("open a page: %w", err)
	}
	if _, err := fmt.Fprintf(conn, "GET /console/live/events HTTP/1.1\r\nHost: %s\r\n\r\n", j.Admin); err != nil {
		return nil, fmt.Errorf("open a page: %w", err)
	}
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil) //nolint:bodyclose // it ends with the connection
	if err != nil || resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("open a page: %v, %w", resp, err)
	}
	if !j.Deaf {
		go io.Copy(io.Discard, r) // ends with the connection
	}
	return conn, nil
}

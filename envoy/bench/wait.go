package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// askFor is for how long something is awaited. It is awaited by asking every askEvery,
// or every probeEvery if it is timed.
const (
	askFor     = 2 * time.Minute
	askEvery   = 50 * time.Millisecond
	probeEvery = time.Millisecond
)

// await asks until it is ok, and pauses for every after each time that it is not.
// The error says what was awaited.
func await(ctx context.Context, what string, every time.Duration, ok func(context.Context) bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, askFor, fmt.Errorf("%s: waited in vain for %v", what, askFor))
	defer cancel()
	for !ok(ctx) {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(every):
		}
	}
	return nil
}

// awaitAnswer makes a request, as await asks, until it is answered with status.
func awaitAnswer(ctx context.Context, address, request string, status int, every time.Duration) error {
	probe := requestsJob{Address: address, Request: request, Status: status, Connections: 1, Total: 1}
	return await(ctx, fmt.Sprintf("an answer with %d", status), every, func(ctx context.Context) bool { return probe.once(ctx) == nil })
}

// awaitOK waits until a page is answered with 200.
func awaitOK(ctx context.Context, url string) error {
	return await(ctx, url, probeEvery, func(ctx context.Context) bool {
		_, err := get(ctx, url)
		return err == nil
	})
}

// get reads a page. An answer other than 200 is an error.
func get(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("read %s: %s", url, resp.Status)
	}
	return io.ReadAll(resp.Body)
}

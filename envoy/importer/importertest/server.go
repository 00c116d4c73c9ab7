package importertest

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os/exec"
	"testing"
	"time"

	"github.com/corsgate/corsgate/policy/browser"
)

// Serve starts a program that will listen on a Unix socket, ends it with the test, and
// returns what sends requests to it.
func Serve(t testing.TB, cmd *exec.Cmd, socket string) Send {
	t.Helper()
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	for {
		c, err := net.Dial("unix", socket)
		if err == nil {
			c.Close()
			break
		}
		select {
		case <-ended:
			t.Fatalf("%s ended: %s\n%s", cmd.Path, cmd.ProcessState, &said)
		case <-time.After(5 * time.Millisecond):
		}
	}
	return Dial(t, socket)
}

// Dial returns what sends requests to a Unix socket that a program listens on.
func Dial(t testing.TB, socket string) Send {
	client := &http.Client{
		Transport:     &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", socket) }},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(client.CloseIdleConnections)
	return func(method, host, path string, headers browser.Headers) browser.Response {
		return send(t, client, method, host, path, headers)
	}
}

func send(t testing.TB, client *http.Client, method, host, path string, headers browser.Headers) (out browser.Response) {
	req, err := http.NewRequest(method, "http://"+host+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		req.Header.Add(h.Name, h.Value)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	out.Status = resp.StatusCode
	for name, lines := range resp.Header {
		for _, line := range lines {
			out.Headers = append(out.Headers, browser.Header{Name: name, Value: line})
		}
	}
	return out
}

// Application answers every request with 200 and no CORS headers: what is behind the
// systems that tests start.
func Application(string, string, string, browser.Headers) browser.Response {
	return browser.Response{Status: http.StatusOK, Headers: browser.Headers{{Name: "X-Total", Value: "1"}}}
}

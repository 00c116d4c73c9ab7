package life

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/corsgate/corsgate/server/servertest"
)

const (
	// Origins that every profile asks about: no-trip leaves labels of more than 40
	// bytes to the service.
	allowedOrigin = "https://a-label-of-more-than-forty-bytes-is-asked-about.example.com"
	deniedOrigin  = "https://a-label-of-more-than-forty-bytes-is-asked-about.example.net"
	// knownOrigin is an allowed one that no-trip decides about by itself.
	knownOrigin = "https://app.example.com"
	// upstreamGrant is the Access-Control-Allow-Origin that the upstream sends by
	// itself.
	upstreamGrant = "*"
	// slowPath is what the upstream takes a while to answer.
	slowPath = "/slow"
	slowness = 300 * time.Millisecond
	clients  = 8
	// enough is what a load sends at least, or the test says nothing.
	enough    = 50
	thinkTime = 3 * time.Millisecond
)

// outcome is what of an answer tells whether it is right.
type outcome struct {
	status      int
	allowOrigin string
}

// ask is a request of the load.
type ask struct {
	name, method, path, origin string
	// right is the answer while corsgate serves.
	right outcome
}

// asks are the kinds of requests; every client sends them in turn.
func asks() []ask {
	return []ask{
		{"a preflight of an allowed origin", http.MethodOptions, "/", allowedOrigin, outcome{204, allowedOrigin}},
		{"a preflight of another origin", http.MethodOptions, "/", deniedOrigin, outcome{403, ""}},
		{"a request of an allowed origin", http.MethodGet, "/", allowedOrigin, outcome{200, allowedOrigin}},
		{"a request of another origin", http.MethodGet, "/", deniedOrigin, outcome{200, ""}},
		{"a slow request of an allowed origin", http.MethodGet, slowPath, allowedOrigin, outcome{200, allowedOrigin}},
		{"a request of an origin that no-trip knows", http.MethodGet, "/", knownOrigin, outcome{200, knownOrigin}},
		{"a request without an origin", http.MethodGet, "/", "", outcome{200, ""}},
	}
}

// tally counts a load. It is safe for concurrent use.
type tally struct {
	mu sync.Mutex
	// sent is all; failed were answered, and not as they should be; lost were
	// not answered, or with a 5xx.
	sent, failed, lost int
	leaked             int // answers with the upstream's own grant
	examples           []string
}

// mostExamples is how many mistakes a tally keeps the words of.
const mostExamples = 5

// add counts an ask whose answer should be want.
func (c *tally) add(a ask, want, got outcome, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent++
	if got.allowOrigin == upstreamGrant {
		c.leaked++
	}
	switch {
	case err == nil && got == want:
		return
	case err != nil || got.status >= 500:
		c.lost++
	default:
		c.failed++
	}
	if len(c.examples) < mostExamples {
		c.examples = append(c.examples, fmt.Sprintf("%s: got %+v, want %+v, error %v", a.name, got, want, err))
	}
}

// count is how many were sent.
func (c *tally) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sent
}

// report logs the numbers and returns those of wrong answers.
func (c *tally) report(t *testing.T, what string) (failed, lost int) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	t.Logf("%s: sent %d, failed %d, lost %d", what, c.sent, c.failed, c.lost)
	for _, e := range c.examples {
		t.Log(e)
	}
	return c.failed, c.lost
}

// load sends asks from several clients until it is stopped.
type load struct {
	tally tally
	// stop ends it, once it has sent enough to say something.
	stop func()
}

// startLoad sends the asks to address, whose answers should be what want says.
func startLoad(t *testing.T, address string, want func(ask) outcome) *load {
	ctx, cancel := context.WithCancel(t.Context())
	l := &load{}
	var running sync.WaitGroup
	for i := range clients {
		running.Go(func() { l.send(ctx, i, address, want) })
	}
	l.stop = sync.OnceFunc(func() {
		for ctx.Err() == nil && l.tally.count() < enough {
			time.Sleep(thinkTime)
		}
		cancel()
		running.Wait()
	})
	t.Cleanup(l.stop)
	return l
}

// send is one client, on one connection. A request that has begun is ended.
func (l *load) send(ctx context.Context, first int, address string, want func(ask) outcome) {
	client := newClient()
	defer client.CloseIdleConnections()
	kinds := asks()
	for i := first; ctx.Err() == nil; i++ {
		a := kinds[i%len(kinds)]
		got, err := a.do(client, address)
		l.tally.add(a, want(a), got, err)
		time.Sleep(thinkTime)
	}
}

func newClient() *http.Client {
	return &http.Client{Transport: &http.Transport{}, Timeout: servertest.Patience}
}

// do sends a to Envoy and reads the whole answer.
func (a ask) do(client *http.Client, address string) (outcome, error) {
	req, err := http.NewRequest(a.method, "http://"+address+a.path, nil)
	if err != nil {
		return outcome{}, err
	}
	if a.origin != "" {
		req.Header.Set("Origin", a.origin)
	}
	if a.method == http.MethodOptions {
		req.Header.Set("Access-Control-Request-Method", http.MethodPut)
	}
	resp, err := client.Do(req)
	if err != nil {
		return outcome{}, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return outcome{resp.StatusCode, resp.Header.Get("Access-Control-Allow-Origin")}, err
}

// serves is what a corsgate that serves answers.
func serves(a ask) outcome { return a.right }

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy"
)

// probe is one request of the demo and what has to come back.
type probe struct {
	// title says what the request shows.
	title  string
	method string
	// headers are the request's, in the order of the printed command.
	headers [][2]string
	status  int
	reason  policy.Reason
	// answer are the response's CORS headers and Vary; one that is not listed
	// must be absent.
	answer map[string]string
}

// answerHeaders are the response headers that the demo shows and compares.
var answerHeaders = []string{
	"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Access-Control-Allow-Methods",
	"Access-Control-Allow-Headers", "Access-Control-Expose-Headers", "Access-Control-Max-Age", "Vary",
}

// curl returns the probe as a command against base, such as
// "http://127.0.0.1:10000".
func (p probe) curl(base string) string {
	var b strings.Builder
	b.WriteString("curl -i")
	if p.method != http.MethodGet {
		b.WriteString(" -X " + p.method)
	}
	b.WriteString(" " + base + "/")
	for _, h := range p.headers {
		fmt.Fprintf(&b, " \\\n       -H '%s: %s'", h[0], h[1])
	}
	return b.String()
}

// ask sends the probe to base and returns the answer; its body is read and
// closed.
func (p probe) ask(ctx context.Context, base string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, p.method, base+"/", nil)
	if err != nil {
		return nil, fmt.Errorf("probe: %w", err)
	}
	for _, h := range p.headers {
		req.Header.Set(h[0], h[1])
	}
	resp, err := directClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("probe: %w", err)
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp, err
}

// wrong returns what is wrong with an answer and its reason.
func (p probe) wrong(resp *http.Response, reason string) []string {
	var wrong []string
	if resp.StatusCode != p.status {
		wrong = append(wrong, fmt.Sprintf("status %d, want %d", resp.StatusCode, p.status))
	}
	if reason != p.reason.String() {
		wrong = append(wrong, fmt.Sprintf("reason %q, want %q", reason, p.reason))
	}
	for _, name := range answerHeaders {
		var want []string
		if v, ok := p.answer[name]; ok {
			want = []string{v}
		}
		if got := resp.Header.Values(name); !slices.Equal(got, want) {
			wrong = append(wrong, fmt.Sprintf("%s %q, want %q", strings.ToLower(name), got, want))
		}
	}
	return wrong
}

// headerLines returns the answer's CORS headers and Vary as a client sees them.
func headerLines(h http.Header) []string {
	var lines []string
	for _, name := range answerHeaders {
		for _, value := range h.Values(name) {
			lines = append(lines, strings.ToLower(name)+": "+value)
		}
	}
	return lines
}

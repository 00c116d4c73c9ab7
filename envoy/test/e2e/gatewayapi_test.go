package e2e

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy"
)

//go:embed testdata/gateway-api.yaml
var gatewayPolicies string

// inARow is how often each request must be answered as wanted.
const inARow = 3

// TestGatewayAPI is the Gateway API's conformance test HTTPRouteCORS without
// Kubernetes: its requests, and its rules of comparison.
func TestGatewayAPI(t *testing.T) {
	up, service := startUpstream(t), startService(t, "127.0.0.1:0", gatewayPolicies)
	eachConfig(t, func(t *testing.T, name string, c envoy.Config) {
		s := launch(t, name, c, up, service, func(object) {})
		for _, test := range gatewayTests {
			for range inARow {
				for _, line := range test.differences(t, s) {
					t.Errorf("%s: %s", test.name, line)
				}
			}
		}
	})
}

// gatewayTest is one request, and what its answer must be.
type gatewayTest struct {
	name string
	// do is the request: method and path.
	do string
	// with are its header lines.
	with []string
	// statuses are those that the answer may have; nil means 200.
	statuses []int
	// valid are the values that a header may have; several lines count as one,
	// joined with ",".
	valid map[string][]string
	// ignoreSpace compares valid without spaces.
	ignoreSpace bool
	// absent are headers that the answer must not have.
	absent []string
}

// request makes the request as the conformance suite does.
func (g gatewayTest) request(t *testing.T, s *setup) *http.Request {
	t.Helper()
	method, path, _ := strings.Cut(g.do, " ")
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.address()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Echo-Set-Header", "")
	for _, line := range g.with {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	return r
}

// differences sends the request and lists what is wrong with the answer.
func (g gatewayTest) differences(t *testing.T, s *setup) (lines []string) {
	t.Helper()
	r := g.request(t, s)
	resp, err := clients["http/1"].RoundTrip(r)
	if err != nil {
		return []string{err.Error()}
	}
	defer resp.Body.Close()
	if !slices.Contains(g.accepted(), resp.StatusCode) {
		lines = append(lines, fmt.Sprintf("status %d, want one of %d", resp.StatusCode, g.accepted()))
	}
	if seen, want := captured(resp), g.reaches(r); seen != want {
		lines = append(lines, fmt.Sprintf("the backend saw %+v, want %+v", seen, want))
	}
	return append(lines, g.headerDifferences(resp.Header)...)
}

func (g gatewayTest) accepted() []int {
	if g.statuses == nil {
		return []int{http.StatusOK}
	}
	return g.statuses
}

// reaches is what the backend must see: nothing of a preflight.
func (g gatewayTest) reaches(r *http.Request) echoed {
	if r.Method == http.MethodOptions {
		return echoed{}
	}
	return echoed{Method: r.Method, Path: r.URL.Path}
}

// captured is what the backend saw, as its JSON in the answer says.
func captured(resp *http.Response) (e echoed) {
	if resp.Header.Get("Content-Type") == "application/json" && json.NewDecoder(resp.Body).Decode(&e) != nil {
		return echoed{Method: "unreadable"}
	}
	return e
}

func (g gatewayTest) headerDifferences(h http.Header) (lines []string) {
	normal := func(s string) string {
		if g.ignoreSpace {
			return strings.ReplaceAll(s, " ", "")
		}
		return s
	}
	for _, name := range slices.Sorted(maps.Keys(g.valid)) {
		value := strings.Join(h.Values(name), ",")
		if !slices.ContainsFunc(g.valid[name], func(v string) bool { return normal(v) == normal(value) }) {
			lines = append(lines, fmt.Sprintf("%s: %q, want one of %q", name, value, g.valid[name]))
		}
	}
	for _, name := range g.absent {
		if values := h.Values(name); values != nil {
			lines = append(lines, fmt.Sprintf("%s: %q, want none", name, values))
		}
	}
	return lines
}

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/printable"
	"github.com/corsgate/corsgate/server/access"
)

// maxLogLine bounds a line of a decision log in bytes.
const maxLogLine = 1 << 20

// recordedDecision is what replay reads of a line of a decision log.
type recordedDecision struct {
	NamedPolicy    string `json:"named_policy"`
	Method         string `json:"method"`
	Host           string `json:"host"`
	Path           string `json:"path"`
	Origin         string `json:"origin"`
	RequestMethod  string `json:"request_method"`
	RequestHeaders string `json:"request_headers"`
	SecFetchSite   string `json:"sec_fetch_site"`
	Upgrade        string `json:"upgrade"`
	Protocol       string `json:"protocol"`
	// Clipped says that a value was too long for the log.
	Clipped bool `json:"clipped"`
}

// request returns the request that was decided about.
func (d *recordedDecision) request() policy.Request {
	return policy.Request{
		Policy: d.NamedPolicy,
		Method: d.Method, Authority: unquoted(d.Host), Path: unquoted(d.Path), Origin: unquoted(d.Origin),
		RequestMethod: unquoted(d.RequestMethod), RequestHeaders: unquoted(d.RequestHeaders),
		SecFetchSite: unquoted(d.SecFetchSite), Upgrade: unquoted(d.Upgrade), Protocol: unquoted(d.Protocol),
	}
}

// unquoted returns the bytes of a value that the log has quoted as Go does.
func unquoted(s string) string {
	if !strings.HasPrefix(s, `"`) {
		return s
	}
	if text, err := strconv.Unquote(s); err == nil {
		return text
	}
	return s
}

// replay calls each for the requests of a decision log. It returns how many there are, and
// how many were left out because a value was clipped. It ignores lines of other logs in
// between.
func replay(ctx context.Context, name string, each func(policy.Request)) (n, clipped int, err error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, 0, fmt.Errorf("decision log: %w", access.Explain(printable.Error(err), name))
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxLogLine)
	for lines.Scan() && ctx.Err() == nil {
		var d recordedDecision
		if err := json.Unmarshal(lines.Bytes(), &d); err != nil || d.Method == "" || d.Host == "" {
			continue
		}
		if d.Clipped {
			clipped++
			continue
		}
		n++
		each(d.request())
	}
	if err := lines.Err(); err != nil {
		return n, clipped, fmt.Errorf("decision log %s: %w", printable.Name(name), printable.Error(err))
	}
	if n+clipped == 0 {
		return 0, 0, fmt.Errorf("decision log %s: no line has a decision", printable.Name(name))
	}
	return n, clipped, ctx.Err()
}

package main

import (
	"bufio"
	"context"
	"fmt"
	"os"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/printable"
	"github.com/corsgate/corsgate/server/access"
	"github.com/corsgate/corsgate/server/decisionlog"
)

// maxLogLine bounds a line of a decision log in bytes.
const maxLogLine = 1 << 20

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
		d, ok := decisionlog.Read(lines.Bytes())
		if !ok {
			continue
		}
		if d.Clipped {
			clipped++
			continue
		}
		n++
		each(d.Request())
	}
	if err := lines.Err(); err != nil {
		return n, clipped, fmt.Errorf("decision log %s: %w", printable.Name(name), printable.Error(err))
	}
	if n+clipped == 0 {
		return 0, 0, fmt.Errorf("decision log %s: no line has a decision", printable.Name(name))
	}
	return n, clipped, ctx.Err()
}

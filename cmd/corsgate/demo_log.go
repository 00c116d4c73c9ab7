package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/corsgate/corsgate/policy/printable"
)

// accessEntry is one line of the access log that generated configuration has
// Envoy write: what was answered, and why.
type accessEntry struct {
	Method string `json:"method"`
	Path   string `json:"path"`
	Status int    `json:"status"`
	// Origin is quoted if corsgate was asked; Policy and Reason are
	// corsgate's, but the reason of a question without an answer, which is
	// Envoy's and the only one then. Empty if nothing was decided, for want of an
	// Origin.
	Origin string `json:"origin"`
	Policy string `json:"policy"`
	Reason string `json:"reason"`
}

// String returns the entry for a person.
func (e accessEntry) String() string {
	from := ""
	if e.Origin != "" {
		from = " from " + printable.Text(e.Origin)
	}
	return fmt.Sprintf("%d %s %s%s: %s", e.Status, e.Method, strconv.Quote(e.Path), from, cmp.Or(e.Reason, "no decision"))
}

// accessLog is a writer of Envoy's access log that hands on each entry. It is
// written to by one goroutine.
type accessLog struct {
	each func(accessEntry)
	rest []byte // a line that has begun
}

// Write takes any part of the log; lines that are not entries are dropped.
func (l *accessLog) Write(b []byte) (int, error) {
	l.rest = append(l.rest, b...)
	for {
		line, rest, whole := bytes.Cut(l.rest, []byte("\n"))
		if !whole {
			return len(b), nil
		}
		var e accessEntry
		if json.Unmarshal(line, &e) == nil {
			l.each(e)
		}
		l.rest = rest
	}
}

package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/corsgate/corsgate/policy/printable"
	"github.com/corsgate/corsgate/server/contract"
)

// accessEntry is one line of the access log in the generated configuration: what was
// answered, and why.
type accessEntry struct {
	Method string `json:"method"`
	Path   string `json:"path"`
	Status int    `json:"status"`
	// Origin is quoted if corsgate was asked. Policy and Reason come from corsgate. If
	// corsgate did not answer, only the Reason is there, and comes from Envoy. They are
	// empty if nothing was decided because there was no Origin.
	Origin string `json:"origin"`
	Policy string `json:"policy"`
	Reason string `json:"reason"`
	// Apply is what corsgate has answered. By is who decided: byEnvoy, byCorsgate, or
	// nobody.
	Apply string `json:"apply,omitempty"`
	By    string `json:"by,omitempty"`
}

// Who decides.
const (
	byEnvoy    = "envoy" // by itself
	byCorsgate = "corsgate"
)

// decidedBy says who has decided. A compiled filter notes only a reason. If Envoy asks, it
// notes a reason and what is applied.
func (e accessEntry) decidedBy() string {
	switch {
	case e.Reason == "", e.Reason == contract.Unanswered:
		return ""
	case e.Apply == "":
		return byEnvoy
	}
	return byCorsgate
}

// String returns the entry for a person.
func (e accessEntry) String() string {
	from := ""
	if e.Origin != "" {
		from = " from " + printable.Text(e.Origin)
	}
	return fmt.Sprintf("%d %s %s%s: %s", e.Status, e.Method, strconv.Quote(e.Path), from, decision(cmp.Or(e.Reason, "no decision"), e.By))
}

// decision is a reason and who has decided, for a person.
func decision(reason, by string) string {
	switch by {
	case "":
		return reason
	case byEnvoy:
		by = "Envoy itself"
	}
	return reason + ", by " + by
}

// accessLog is a writer for Envoy's access log that passes on each entry. One goroutine
// writes to it.
type accessLog struct {
	each func(accessEntry)
	rest []byte // a line that has begun
}

// Write takes any part of the log. It drops lines that are not entries.
func (l *accessLog) Write(b []byte) (int, error) {
	l.rest = append(l.rest, b...)
	for {
		line, rest, whole := bytes.Cut(l.rest, []byte("\n"))
		if !whole {
			return len(b), nil
		}
		var e accessEntry
		if json.Unmarshal(line, &e) == nil {
			e.By = e.decidedBy()
			l.each(e)
		}
		l.rest = rest
	}
}

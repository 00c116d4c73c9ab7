package main

import (
	"fmt"
	"io"
	"slices"

	"github.com/corsgate/corsgate/policy/explain"
	"github.com/corsgate/corsgate/policy/explain/text"
	"github.com/corsgate/corsgate/policy/printable"
)

// verdicts counts reports of each verdict.
type verdicts struct{ all, blocked, undecided, otherwise int }

func count(reports []explain.Report) (n verdicts) {
	n.all = len(reports)
	for i := range reports {
		switch r := &reports[i]; {
		case r.Allowed:
		case r.Undecided:
			n.undecided++
		case r.FailsOtherwise:
			n.otherwise++
		default:
			n.blocked++
		}
	}
	return n
}

// print writes the reports. If there are several, people get only those that are not
// allowed, and a summary to note. The error is errFindings if one is blocked, or else
// errUndecided if one depends on something unknown.
func (c *explainConfig) print(out, note io.Writer, reports []explain.Report, format string) error {
	n := count(reports)
	write := func() error { return printReports(out, note, reports, n) }
	if format == "json" {
		write = func() error { return writeJSON(out, map[string][]explain.Report{"reports": reports}) }
	}
	if err := write(); err != nil {
		return err
	}
	switch {
	case n.blocked > 0:
		return errFindings
	case n.undecided > 0:
		return errUndecided
	}
	return nil
}

// printReports writes for people the only report, or those that are not allowed
// and how many they are.
func printReports(out, note io.Writer, reports []explain.Report, n verdicts) error {
	if len(reports) == 1 {
		return text.Write(out, painterFor(out), reports...)
	}
	open := slices.DeleteFunc(slices.Clone(reports), func(r explain.Report) bool { return r.Allowed })
	if err := text.Write(out, painterFor(out), open...); err != nil {
		return err
	}
	_, err := io.WriteString(note, n.summary())
	return err
}

// summary is a line that counts requests.
func (n verdicts) summary() string {
	line := fmt.Sprintf("%s, %d blocked", printable.Counted(n.all, "request", "requests"), n.blocked)
	if n.undecided > 0 {
		line += fmt.Sprintf(", %d undecided", n.undecided)
	}
	if n.otherwise > 0 {
		line += fmt.Sprintf(", %d failed for another reason", n.otherwise)
	}
	return line + "\n"
}

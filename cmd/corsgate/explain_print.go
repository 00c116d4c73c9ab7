package main

import (
	"fmt"
	"io"
	"slices"

	"github.com/corsgate/corsgate/policy/explain"
	"github.com/corsgate/corsgate/policy/explain/text"
	"github.com/corsgate/corsgate/policy/printable"
)

// print writes the reports; of several, people get those that are blocked, and
// a summary to note. The error is errFindings when one is blocked.
func (c *explainConfig) print(out, note io.Writer, reports []explain.Report, format string) error {
	blocked := slices.DeleteFunc(slices.Clone(reports), func(r explain.Report) bool { return r.Allowed })
	if format == "json" {
		if err := writeJSON(out, map[string][]explain.Report{"reports": reports}); err != nil {
			return err
		}
	} else if err := printReports(out, note, reports, blocked); err != nil {
		return err
	}
	if len(blocked) > 0 {
		return errFindings
	}
	return nil
}

func printReports(out, note io.Writer, reports, blocked []explain.Report) error {
	if len(reports) == 1 {
		return text.Write(out, painterFor(out), reports...)
	}
	if err := text.Write(out, painterFor(out), blocked...); err != nil {
		return err
	}
	_, err := fmt.Fprintf(note, "%s, %d blocked\n", printable.Counted(len(reports), "request", "requests"), len(blocked))
	return err
}

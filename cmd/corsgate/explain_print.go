package main

import (
	"fmt"
	"io"
	"slices"

	"github.com/corsgate/corsgate/policy/explain"
	"github.com/corsgate/corsgate/policy/explain/text"
	"github.com/corsgate/corsgate/policy/printable"
)

// print writes the reports; of several, people get those that are not allowed,
// and a summary to note. The error is errFindings when one is blocked, and else
// errUndecided when one depends on what is not known.
func (c *explainConfig) print(out, note io.Writer, reports []explain.Report, format string) error {
	open := slices.DeleteFunc(slices.Clone(reports), func(r explain.Report) bool { return r.Allowed })
	blocked := slices.DeleteFunc(slices.Clone(open), func(r explain.Report) bool { return r.Undecided })
	write := func() error { return printReports(out, note, reports, open, len(blocked)) }
	if format == "json" {
		write = func() error { return writeJSON(out, map[string][]explain.Report{"reports": reports}) }
	}
	if err := write(); err != nil {
		return err
	}
	switch {
	case len(blocked) > 0:
		return errFindings
	case len(open) > 0:
		return errUndecided
	}
	return nil
}

// printReports writes for people the only report, or those that are open and how
// many they are of all.
func printReports(out, note io.Writer, reports, open []explain.Report, blocked int) error {
	if len(reports) == 1 {
		return text.Write(out, painterFor(out), reports...)
	}
	if err := text.Write(out, painterFor(out), open...); err != nil {
		return err
	}
	_, err := io.WriteString(note, summary(len(reports), blocked, len(open)-blocked))
	return err
}

// summary is a line that counts requests.
func summary(all, blocked, undecided int) string {
	line := fmt.Sprintf("%s, %d blocked", printable.Counted(all, "request", "requests"), blocked)
	if undecided > 0 {
		line += fmt.Sprintf(", %d undecided", undecided)
	}
	return line + "\n"
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policydiff"
	"github.com/corsgate/corsgate/policy/printable"
)

// shownExamples is how many examples a line for people names.
const shownExamples = 5

func newDiff() *cobra.Command {
	var logs []string
	format := oneOf("text", "json")
	cmd := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Find who gains and who loses access between two versions of policies",
		Long: `Compares what two versions of policies decide, not how they are written. OLD and NEW
are policy files, folders or URLs of stores. It makes requests from them: origins that
a pattern matches, origins that it nearly matches, each method and header, the hosts
and paths of all policies. Then it compares what both versions answer. It can replay recorded
decisions, too. It prints each change with a request that proves it, and with what the
versions answer differently:

  widens|narrows|changes [ASPECT] policy NAME: EXAMPLES (gains WHAT; loses WHAT)
    REQUEST: REASON, now REASON
      HEADER: VALUE -> VALUE

Exits 1 if access widens, so that a review can ask for a second look. A policy in shadow
gives no access, so it does not count.`,
		Example: `  corsgate diff deployed/ policies/
  corsgate diff --log decisions.jsonl --format json deployed/ policies/`,
		Args: func(_ *cobra.Command, paths []string) error {
			if len(paths) != 2 {
				return misused("name both versions: corsgate diff OLD NEW", "%s given, and diff compares 2", printable.Counted(len(paths), "path", "paths"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, paths []string) error {
			report, err := diff(cmd.Context(), cmd.ErrOrStderr(), paths[0], paths[1], logs)
			if err != nil {
				return err
			}
			if err := printDiff(cmd.OutOrStdout(), cmd.ErrOrStderr(), report, format.value); err != nil {
				return err
			}
			if report.Widens() {
				return errFindings
			}
			return nil
		},
	}
	cmd.Flags().StringSliceVar(&logs, "log", nil, "`FILE` with recorded decisions as JSON lines, to replay; repeatable")
	cmd.Flags().Var(format, "format", "how to print the changes")
	return cmd
}

// diff compares two versions of policies.
func diff(ctx context.Context, stderr io.Writer, old, now string, logs []string) (policydiff.Report, error) {
	a, errOld := loadSet(ctx, stderr, old, sourceOf(old), exitFailure)
	b, errNew := loadSet(ctx, stderr, now, sourceOf(now), exitFailure)
	if err := errors.Join(errOld, errNew); err != nil {
		return policydiff.Report{}, err
	}
	c := policydiff.New(a, b)
	c.Probe()
	for _, name := range logs {
		n, clipped, err := replay(ctx, name, c.Replay)
		if err != nil {
			return policydiff.Report{}, hinted(err, "give --log a file with one decision a line, as JSON")
		}
		shown := printable.Name(name)
		fmt.Fprintf(stderr, "%s: %s replayed\n", shown, printable.Counted(n, "decision", "decisions"))
		if clipped > 0 {
			fmt.Fprintf(stderr, "%s: %s left out, whose values were too long for the log\n", shown, printable.Counted(clipped, "decision", "decisions"))
		}
	}
	return c.Report(), nil
}

// printDiff writes the changes to out, and for people a summary to note.
func printDiff(out, note io.Writer, r policydiff.Report, format string) error {
	if format == "json" {
		return writeJSON(out, r)
	}
	paint := painterFor(out)
	for _, c := range r.Changes {
		if _, err := fmt.Fprintf(out, "%s\n  %s\n%s", changeLine(paint, c), witnessLine(c.Witness), differenceLines(c.Witness)); err != nil {
			return err
		}
	}
	if r.Bounded {
		fmt.Fprintln(note, "there are too many policies to try all near misses; some were left out")
	}
	_, err := fmt.Fprintln(note, diffSummary(r))
	return err
}

// changeLine describes a change on one line.
func changeLine(paint printable.Painter, c policydiff.Change) string {
	var effect []string
	if len(c.Gained) > 0 {
		effect = append(effect, "gains "+printable.Text(strings.Join(c.Gained, ", ")))
	}
	if len(c.Lost) > 0 {
		effect = append(effect, "loses "+printable.Text(strings.Join(c.Lost, ", ")))
	}
	if len(effect) == 0 {
		effect = []string{"another answer, the same access"}
	}
	return fmt.Sprintf("%s [%s] %s: %s (%s)", paintKind(paint, c.Kind), c.Aspect, policies(c.OldPolicy, c.NewPolicy),
		examples(c.Examples, c.Count), strings.Join(effect, "; "))
}

func paintKind(paint printable.Painter, k policydiff.Kind) string {
	switch k {
	case policydiff.Widens:
		return paint.Red(string(k))
	case policydiff.Narrows:
		return paint.Yellow(string(k))
	}
	return string(k)
}

// policies names the policies that decide now and before.
func policies(old, now string) string {
	named := func(name string) string {
		if name == "" {
			return "no policy"
		}
		return "policy " + name
	}
	if old == now {
		return named(now)
	}
	return named(old) + ", now " + named(now)
}

// examples lists a few of count examples.
func examples(list []string, count int) string {
	var shown []string
	for _, example := range list[:min(len(list), shownExamples)] {
		shown = append(shown, printable.Value(example))
	}
	text := strings.Join(shown, ", ")
	if rest := max(count, len(list)) - len(shown); len(list) > shownExamples && rest > 0 {
		text += fmt.Sprintf(" and %d more", rest)
	}
	return text
}

// witnessLine returns the request that shows a change, and both decisions.
func witnessLine(w policydiff.Witness) string {
	text := fmt.Sprintf("%s %s%s, Origin: %s", printable.Value(w.Method), printable.Value(w.Host), printable.Value(w.Path), printable.Value(w.Origin))
	if w.RequestMethod != "" {
		text += ", Access-Control-Request-Method: " + printable.Value(w.RequestMethod)
	}
	if w.RequestHeaders != "" {
		text += ", Access-Control-Request-Headers: " + printable.Value(w.RequestHeaders)
	}
	if w.Policy != "" {
		text += ", if Envoy names the policy " + printable.Value(w.Policy)
	}
	return text + ": " + w.OldReason + ", now " + w.NewReason
}

// differenceLines returns the differences of the two decisions, each on a line, except the
// reasons, which the line of the witness has.
func differenceLines(w policydiff.Witness) string {
	var lines strings.Builder
	for _, d := range w.Differences {
		if d.What != policy.DiffersReason {
			fmt.Fprintf(&lines, "    %s\n", d)
		}
	}
	return lines.String()
}

// diffSummary says in a few words what was found.
func diffSummary(r policydiff.Report) string {
	if r.Probes == 0 {
		return "the policies are the same"
	}
	if len(r.Changes) == 0 {
		return "no change in " + printable.Counted(r.Probes, "probe", "probes")
	}
	count := map[policydiff.Kind]int{}
	for _, c := range r.Changes {
		count[c.Kind]++
	}
	return fmt.Sprintf("%s: %d widening access, %d narrowing it, %d with the same access",
		printable.Counted(len(r.Changes), "change", "changes"), count[policydiff.Widens], count[policydiff.Narrows], count[policydiff.Changes])
}

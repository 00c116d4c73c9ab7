package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/policy/printable"
	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/source/file"
)

// findings are what check found, as its JSON says it.
type findings struct {
	// Findings are sorted by place within each path, the paths in the order
	// they were given.
	Findings []policyfile.Diagnostic `json:"findings"`
	Errors   int                     `json:"errors"`
	Warnings int                     `json:"warnings"`
	Notes    int                     `json:"notes"`
	// Policies counts those of the paths without errors.
	Policies int `json:"policies"`
}

func newCheck() *cobra.Command {
	var strict bool
	format := oneOf("text", "json")
	cmd := &cobra.Command{
		Use:   "check PATH...",
		Short: "Find the mistakes of policies",
		Long: `Judges each PATH, a policy file or folder, exactly as 'corsgate serve --policies PATH'
would load it, and prints one line a finding:

  FILE:LINE:COL: error|warning|note [CODE] message (hint)

Exits 1 when there are errors, with --strict on warnings too.`,
		Example: `  corsgate check policies/
  corsgate check --strict --format json cors.yaml`,
		Args: func(_ *cobra.Command, paths []string) error {
			if len(paths) == 0 {
				return misused("name a policy file or folder: corsgate check PATH", "no PATH given")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, paths []string) error {
			found := checkAll(cmd.Context(), paths)
			if err := found.print(cmd.OutOrStdout(), cmd.ErrOrStderr(), format.value); err != nil {
				return err
			}
			if found.Errors > 0 || strict && found.Warnings > 0 {
				return errFindings
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&strict, "strict", false, "exit 1 on warnings too")
	cmd.Flags().Var(format, "format", "how to print the findings")
	return cmd
}

// checkAll judges each path by itself.
func checkAll(ctx context.Context, paths []string) findings {
	all := findings{Findings: []policyfile.Diagnostic{}}
	for _, path := range paths {
		r, err := live.Check(ctx, &file.Source{Path: path})
		if err != nil {
			r.Diagnostics = refusal(path, err)
		}
		all.add(r)
	}
	return all
}

// loadSet returns the policies of a source, as serve would load them. If they are
// refused, it prints why, and the error has the exit code refused.
func loadSet(ctx context.Context, stderr io.Writer, source *file.Source, refused int) (*policy.Set, error) {
	r, err := live.Check(ctx, source)
	if err != nil {
		return nil, mendable(stderr, refusal(source.Path, err), fmt.Errorf("no good policies in %s", printable.Name(source.Path)), refused)
	}
	return policy.Compile(r.Policies), nil
}

// refusal returns the findings of policies that were refused. That they could
// not be judged at all is a finding too.
func refusal(path string, err error) []policyfile.Diagnostic {
	var refused *live.LoadError
	if errors.As(err, &refused) && refused.Err == nil {
		return refused.Diagnostics
	}
	return []policyfile.Diagnostic{{File: printable.Name(path), Line: 1, Column: 1, Code: "policies-unreadable", Reason: err.Error()}}
}

// mendable prints why policies were refused, and returns err, which says that they
// were, as a fault with the hint to mend them.
func mendable(stderr io.Writer, found []policyfile.Diagnostic, err error, code int) error {
	for _, d := range found {
		fmt.Fprintln(stderr, d)
	}
	return &fault{err: err, code: code, hints: []string{"mend what stands above; 'corsgate check' finds it too"}}
}

// add counts the result of one path.
func (f *findings) add(r policyfile.Result) {
	f.Findings = append(f.Findings, r.Diagnostics...)
	if r.Policies != nil {
		f.Policies += len(r.Policies.Specs())
	}
	for _, d := range r.Diagnostics {
		switch d.Level {
		case policy.Error:
			f.Errors++
		case policy.Warning:
			f.Warnings++
		default:
			f.Notes++
		}
	}
}

// print writes the findings to out, and for people a summary to note.
func (f *findings) print(out, note io.Writer, format string) error {
	if format == "json" {
		return writeJSON(out, f)
	}
	paint := painterFor(out)
	for _, d := range f.Findings {
		if _, err := fmt.Fprintln(out, findingLine(paint, d)); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(note, f.summary())
	return err
}

// findingLine returns a finding on one line, its level in colour.
func findingLine(paint printable.Painter, d policyfile.Diagnostic) string {
	level, colour := d.Level.String(), paint.Yellow
	switch d.Level {
	case policy.Error:
		colour = paint.Red
	case policy.Note:
		colour = paint.Green
	}
	return strings.Replace(d.String(), ": "+level+" [", ": "+colour(level)+" [", 1)
}

// summary says in a few words what was found.
func (f *findings) summary() string {
	notes := ""
	if f.Notes > 0 {
		notes = ", " + printable.Counted(f.Notes, "note", "notes")
	}
	if f.Errors+f.Warnings == 0 {
		return printable.Counted(f.Policies, "policy", "policies") + ", nothing to complain about" + notes
	}
	return printable.Counted(f.Errors, "error", "errors") + ", " + printable.Counted(f.Warnings, "warning", "warnings") + notes
}

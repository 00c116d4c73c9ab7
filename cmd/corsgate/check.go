package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/policy/policyfile/proofs"
	"github.com/corsgate/corsgate/policy/printable"
	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/store"
)

// findings are check's findings, in the form of its JSON.
type findings struct {
	// Findings are sorted by place within each path, the paths in the order
	// they were given.
	Findings []policyfile.Diagnostic `json:"findings"`
	Errors   int                     `json:"errors"`
	Warnings int                     `json:"warnings"`
	Notes    int                     `json:"notes"`
	// Policies is the number of policies in the paths without errors.
	Policies int `json:"policies"`

	compiled bool // the findings say for each policy what Envoy decides by itself
}

func newCheck() *cobra.Command {
	f := checkFlags{profile: oneOf(append([]string{""}, profileWords()...)...), format: oneOf("text", "json")}
	cmd := &cobra.Command{
		Use:   "check PATH...",
		Short: "Find the mistakes of policies",
		Long: `Judges each PATH, a policy file, a folder or the URL of a store, exactly as 'corsgate
serve --policies PATH' would load it, and prints a line for each finding:

  FILE:LINE:COL: error|warning|note [CODE] message (hint)

Exits 1 if there are errors; with --strict, if there are warnings, too.

With --profile no-trip it also says about how many policies Envoy decides by itself. For
each other policy a note says what Envoy asks the service about, why, and what would
change that. JSON has a note for each policy. With --without-service it is an error if
Envoy must ask about a policy. The other flags describe the Envoy, as they do for
'corsgate envoy-config --profile no-trip'.`,
		Example: `  corsgate check policies/
  corsgate check --strict --format json cors.yaml
  corsgate check --profile no-trip --without-service policies/`,
		Args: someArguments("name a policy file or folder: corsgate check PATH", "no PATH given"),
		RunE: func(cmd *cobra.Command, paths []string) error {
			if err := f.check(cmd); err != nil {
				return err
			}
			found := checkAll(cmd.Context(), paths, f.more(cmd))
			found.compiled = f.noTrip()
			if err := found.print(cmd.OutOrStdout(), cmd.ErrOrStderr(), f.format.value); err != nil {
				return err
			}
			if found.Errors > 0 || f.strict && found.Warnings > 0 {
				return errFindings
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&f.strict, "strict", false, "exit 1 if there are warnings, too")
	cmd.Flags().Var(f.format, "format", "how to print the findings")
	cmd.Flags().Var(f.profile, "profile", "with no-trip, say, too, what Envoy decides by itself; the other profiles add nothing")
	cmd.Flags().BoolVar(&f.withoutService, "without-service", false, "no-trip: it is an error if Envoy must ask about a policy")
	f.compile.define(cmd)
	return cmd
}

// checkFlags are the flags of check.
type checkFlags struct {
	strict, withoutService bool
	format, profile        *choice
	compile                compileFlags
}

// check reports flags that have no effect together.
func (f *checkFlags) check(cmd *cobra.Command) error {
	if f.noTrip() {
		if err := f.compile.check(); err != nil {
			return err
		}
		_, err := f.config(cmd).Filters()
		return asFault(err, exitUsage, "see 'corsgate check --help'")
	}
	return misplaced(cmd.Flags(), append([]string{"without-service"}, compileFlagNames...),
		"is only for the profile no-trip", "leave it out, or add --profile no-trip")
}

func (f *checkFlags) noTrip() bool { return f.profile.value == string(envoy.NoTrip) }

// config returns the Envoy to compile for. Its addresses do not matter to policies.
func (f *checkFlags) config(cmd *cobra.Command) envoy.Config {
	c := envoy.Config{Profile: envoy.NoTrip, Service: defaultGRPCListen}
	if f.withoutService {
		c.Service = ""
	}
	c.Compiled = f.compile.compiled(cmd.Flags(), c.Service != "")
	c.Compiled.Folder = "/"
	return c
}

// checkAll judges each path by itself. If more is not nil, it adds findings about
// policies that load.
func checkAll(ctx context.Context, paths []string, more func(path string, r policyfile.Result) []policyfile.Diagnostic) findings {
	all := findings{Findings: []policyfile.Diagnostic{}}
	for _, path := range paths {
		r, err := live.Check(ctx, sourceOf(path))
		if err != nil {
			r.Diagnostics = refusal(path, err)
		} else if more != nil {
			r.Diagnostics = append(r.Diagnostics, more(path, r.Result)...)
			slices.SortStableFunc(r.Diagnostics, byPlace)
		}
		proofs.Hint(r.Diagnostics)
		all.add(r.Result)
	}
	return all
}

// loadSet returns the policies of a source, the one of --policies, as serve would
// load them. If they are refused, it prints why, and the error has the exit code
// refused.
func loadSet(ctx context.Context, stderr io.Writer, policies string, source live.Source, refused int) (*policy.Set, error) {
	r, err := live.Check(ctx, source)
	if err != nil {
		return nil, mendable(stderr, refusal(policies, err), fmt.Errorf("no good policies in %s", printable.Name(policies)), refused)
	}
	return policy.Compile(r.Policies), nil
}

// more returns the function that adds findings for the profile. It returns nil if the
// profile adds none.
func (f *checkFlags) more(cmd *cobra.Command) func(path string, r policyfile.Result) []policyfile.Diagnostic {
	if !f.noTrip() {
		return nil
	}
	return func(path string, r policyfile.Result) []policyfile.Diagnostic {
		_, found, err := compileFor(f.config(cmd), r)
		if err != nil {
			return []policyfile.Diagnostic{{File: printable.Name(path), Line: 1, Column: 1, Code: "not-compiled", Reason: err.Error()}}
		}
		return found
	}
}

// refusal returns the findings of policies that were refused. If they could
// not be judged at all, that is a finding, too.
func refusal(path string, err error) []policyfile.Diagnostic {
	if refused, ok := errors.AsType[*live.LoadError](err); ok && refused.Err == nil {
		return refused.Diagnostics
	}
	return []policyfile.Diagnostic{{File: printable.Name(path), Line: 1, Column: 1, Code: cmp.Or(live.CodeOf(err), "policies-unreadable"), Reason: err.Error()}}
}

// mendable prints why policies were refused. It returns err as a fault, with a
// hint to correct the policies, or to wait for their store.
func mendable(stderr io.Writer, found []policyfile.Diagnostic, err error, code int) error {
	for _, d := range found {
		fmt.Fprintln(stderr, d)
	}
	hint := "correct the mistakes above; 'corsgate check' finds them, too"
	for _, d := range found {
		switch {
		case d.Code == store.CodeUnreachable:
			hint = "try again when the store answers"
		case slices.Contains(store.Codes(), d.Code):
			hint = "'corsgate status' shows how the store and its instances stand"
		}
	}
	return &fault{err: err, code: code, hints: []string{hint}}
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
		if d.Code == codeCompiled {
			continue // the summary counts these
		}
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
	if shown := f.Notes - compiledWhole(f.Findings); shown > 0 {
		notes = ", " + printable.Counted(shown, "note", "notes")
	}
	if f.compiled && f.Policies > 0 {
		notes += "; " + byItself(f.Policies, f.Findings)
	}
	if f.Errors+f.Warnings == 0 {
		return printable.Counted(f.Policies, "policy", "policies") + ", nothing to complain about" + notes
	}
	return printable.Counted(f.Errors, "error", "errors") + ", " + printable.Counted(f.Warnings, "warning", "warnings") + notes
}

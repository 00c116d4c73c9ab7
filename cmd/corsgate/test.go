package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/cases"
	"github.com/corsgate/corsgate/policy/printable"
	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/source/file"
)

// testConfig is what the flags of test say.
type testConfig struct {
	policies string
	strict   bool
	watch    bool
	format   *choice
}

func newTest() *cobra.Command {
	c := testConfig{format: oneOf("text", "json", "junit")}
	cmd := &cobra.Command{
		Use:   "test CASES...",
		Short: "Run decision cases against policies",
		Long: `Runs the cases of each CASES, a YAML or JSON file or a folder of them, against the
policies. It says which policies, origins, methods and headers no case exercises. A case
is a request and the decision that is wanted:

  cases:
  - name: the shop may write
    request:
      method: OPTIONS
      host: api.example.com
      headers: {origin: https://shop.example.com, access-control-request-method: PUT}
    want: {policy: api, reason: preflight_allowed}

With 'partial: true' above the cases, only what "want" names is compared. Without it,
everything is: the status (status), whether the upstream saw the request (forwarded),
each Access-Control-* and Vary header (headers), and what a policy in shadow says:

    want: {shadow: {policy: api-next, reason: preflight_origin_denied, differs: true}}

If a file has policies of its own, its cases run against these.

Exits 1 if a case fails.`,
		Example: `  corsgate test --policies policies/ cases/
  corsgate test --policies cors.yaml --format junit cases.yaml > junit.xml
  corsgate test --policies policies/ --watch cases/`,
		Args: someArguments("name a file or folder with cases: corsgate test --policies PATH CASES", "no CASES given"),
		RunE: func(cmd *cobra.Command, paths []string) error {
			t := c.tester(paths)
			if c.watch {
				return t.watch(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
			}
			return t.once(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&c.policies, "policies", "", "`PATH` of the policy file or folder, or the URL of a store; not needed if all cases bring theirs")
	flags.BoolVar(&c.strict, "strict", false, "exit 1 if something is not exercised, too")
	flags.BoolVar(&c.watch, "watch", false, "run again whenever the policies or the cases change, until Ctrl-C")
	flags.Var(c.format, "format", "how to print the results")
	return cmd
}

// tester runs the cases of some files against policies.
type tester struct {
	config   *testConfig
	policies live.Source // nil if they are not named
	cases    []*file.Source
}

func (c *testConfig) tester(paths []string) *tester {
	t := &tester{config: c}
	if c.policies != "" {
		t.policies = sourceOf(c.policies)
	}
	for _, path := range paths {
		t.cases = append(t.cases, &file.Source{Path: path})
	}
	return t
}

// caseResult is the result of one case.
type caseResult struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Name   string `json:"name"`
	Passed bool   `json:"passed"`
	// Differences are the differences from what is wanted, each on a line.
	Differences []string `json:"differences,omitempty"`
}

// testReport is the result of all cases, in the form of its JSON.
type testReport struct {
	Cases       []caseResult        `json:"cases"`
	Passed      int                 `json:"passed"`
	Failed      int                 `json:"failed"`
	Unexercised []cases.Unexercised `json:"unexercised"`
}

// run runs all cases on what the files have now. If the policies do not load, it prints the
// reason to stderr.
func (t *tester) run(ctx context.Context, stderr io.Writer) (*testReport, error) {
	files, err := t.readCases()
	if err != nil {
		return nil, err
	}
	var set *policy.Set // nil if no --policies are named
	if t.policies != nil {
		if set, err = loadSet(ctx, stderr, t.config.policies, t.policies, exitFailure); err != nil {
			return nil, err
		}
	}
	coverage := cases.NewCoverage(set)
	report := &testReport{Cases: []caseResult{}}
	for _, f := range files {
		if err := report.addFile(f, set, coverage); err != nil {
			return nil, err
		}
	}
	report.Unexercised = coverage.Unexercised()
	return report, nil
}

// readCases reads all files with cases; the error has the mistakes of all.
func (t *tester) readCases() ([]cases.File, error) {
	var all []cases.File
	var bad []error
	for _, source := range t.cases {
		fsys, place, err := source.Snapshot()
		if err != nil {
			bad = append(bad, named(source.Path, err))
			continue
		}
		files, err := readFiles(fsys, place, source.Path)
		all, bad = append(all, files...), append(bad, err)
	}
	if err := errors.Join(bad...); err != nil {
		return nil, hinted(err, "'corsgate test --help' shows a case")
	}
	return all, nil
}

// named adds the requested path to err, if err names only a folder on the way to it.
func named(path string, err error) error {
	if _, names := errors.AsType[*fs.PathError](err); names || !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return fmt.Errorf("%s: %w", printable.Name(path), err)
}

// readFiles reads the case files of the path that was given.
func readFiles(fsys fs.FS, place, path string) ([]cases.File, error) {
	files, err := cases.Load(fsys, place)
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s: no file with cases: put a .yaml, .yml or .json file there", printable.Name(path))
	}
	return files, err
}

// addFile runs the cases of a file, by its own policies if it has some.
func (r *testReport) addFile(f cases.File, set *policy.Set, coverage *cases.Coverage) error {
	if f.HasPolicies() {
		own, err := f.Set()
		if err != nil {
			return fmt.Errorf("%s: %w", f.Path, err)
		}
		set, coverage = own, cases.NewCoverage(nil) // its coverage does not matter
	}
	if set == nil && len(f.Cases) > 0 {
		return misused("name the policies: corsgate test --policies PATH CASES", "%s has no policies of its own", f.Path)
	}
	for _, c := range f.Cases {
		if !c.Runs(cases.Decide) {
			continue // the case is only about Envoy
		}
		request := c.Request()
		coverage.Add(request, set.Decide(&request))
		r.add(f.Path, c.Line, c.Name, c.Check(set))
	}
	for _, l := range f.Loads {
		r.add(f.Path, l.Line, l.Name, l.Diff())
	}
	return nil
}

func (r *testReport) add(file string, line int, name string, differences []string) {
	passed := len(differences) == 0
	r.Cases = append(r.Cases, caseResult{File: file, Line: line, Name: name, Passed: passed, Differences: differences})
	if passed {
		r.Passed++
	} else {
		r.Failed++
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/corsgate/corsgate/envoy/importer"
	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/printable"
)

// importedName is the file that import writes into a folder.
const importedName = "imported.yaml"

// imported is what import found, as its JSON says it.
type imported struct {
	Policies []policy.Spec    `json:"policies"`
	Findings []source.Finding `json:"findings"`
	// Summary counts the findings by their fidelity.
	Summary map[source.Fidelity]int `json:"summary"`
	// Files are those that were written.
	Files []string `json:"files"`
}

// importFlags are the flags of import.
type importFlags struct {
	from, unmatched, upstream, format *choice
	out, cases, report                string
	keepRegexes, widen                bool
	rehearse, force                   bool
}

func newImport() *cobra.Command {
	f := importFlags{
		from:      oneOf(importer.Systems()...),
		unmatched: oneOf("", string(policy.UnmatchedReject), string(policy.UnmatchedForward)),
		upstream:  oneOf("", string(policy.UpstreamReplace), string(policy.UpstreamDefer)),
		format:    oneOf("text", "json"),
	}
	cmd := &cobra.Command{
		Use:   "import PATH...",
		Short: "Translate what another system's configuration says about CORS into policies",
		Long: `Reads the configuration of another system, and prints the policies that decide alike. PATH
is a file, a folder with all that is below it, or - for standard input. Each document says
by itself of which system it is:

  ` + understood() + `

Standard error gets a line for everything that is not as it was:

  FILE:LINE:COL: FIDELITY [POLICY] FIELD "VALUE": message (hint)

equal: written otherwise, and proved to be the same. narrowed: allows less, such as an
origin of somebody else. widened: allows more. dropped: left out, since it did nothing.
clamped: a number out of bounds. default: the system's default, written out. differs:
corsgate does otherwise, and grants no more. decide: only you can know what is right.

A regex becomes patterns that are proved to allow the same or less. If there are none, it
stays a regex. What is insecure, and is allowed today, stays allowed, with its opt-in
under dangerously; the line says to whom that opens what.

With --cases it also writes cases for 'corsgate test', made from what the source does.
With --rehearse, what was is enforced, and what should be runs in shadow: 'corsgate serve'
then reports the requests that would be decided otherwise.

Exits 1 if there is something to decide, or if a policy allows more than its source, and 2
if the input cannot be read, or nothing in it is about CORS.`,
		Example: `  kubectl get virtualservice,httproute,ingress -A -o yaml | corsgate import - --out policies/ --cases cases/
  corsgate import /etc/nginx/ > policies.yaml
  corsgate import --from istio --format json virtualservice.yaml
  helm template my-chart | corsgate import -`,
		Annotations: map[string]string{withoutVariables: "--upstream is about headers here, and an address elsewhere"},
		Args:        someArguments("name a file or folder, or - for standard input: corsgate import PATH", "nothing to import is named"),
		RunE:        func(cmd *cobra.Command, paths []string) error { return f.run(cmd, paths) },
	}
	f.define(cmd)
	return cmd
}

// understood lists what can be read, one system a line.
func understood() string { return strings.Join(importer.Understood(), "\n  ") }

func (f *importFlags) define(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.Var(f.from, "from", "the system that all of the input is of")
	flags.StringVar(&f.out, "out", "", "`DIR` to write the policies into, as "+importedName+"; standard output by default")
	flags.StringVar(&f.cases, "cases", "", "`DIR` to write cases into, as "+importedName)
	flags.StringVar(&f.report, "report", "", "`FILE` for the report; standard error by default")
	flags.Var(f.format, "format", "how to print; json has policies, findings and their number by fidelity")
	flags.BoolVar(&f.keepRegexes, "keep-regexes", false, "keep each regex whose patterns would allow less")
	flags.BoolVar(&f.widen, "widen", false, "write patterns that allow more if none allows as much or less")
	flags.Var(f.unmatched, "unmatched", "forward: if the source sends a preflight of an unknown origin to the application, the policy does, too; reject is the default")
	flags.Var(f.upstream, "upstream", "defer: if the source lets CORS headers of the application through, the policy does, too; replace is the default")
	flags.BoolVar(&f.rehearse, "rehearse", false, "enforce what was, and run in shadow what should be")
	flags.BoolVar(&f.force, "force", false, "overwrite files")
}

func (f *importFlags) options() importer.Options {
	return importer.Options{
		KeepRegexes: f.keepRegexes, Widen: f.widen, Rehearse: f.rehearse,
		Unmatched: policy.UnmatchedPreflights(f.unmatched.value), Upstream: policy.UpstreamHeaders(f.upstream.value),
	}
}

func (f *importFlags) run(cmd *cobra.Command, paths []string) error {
	if err := f.free(); err != nil {
		return err
	}
	r, err := f.translate(cmd.Context(), paths, cmd.InOrStdin())
	if err != nil {
		return err
	}
	written, err := f.write(r)
	if err != nil {
		return err
	}
	if err := f.print(cmd.OutOrStdout(), cmd.ErrOrStderr(), r, written); err != nil {
		return err
	}
	if r.Undecided() {
		return errFindings
	}
	return nil
}

// translate reads and translates the input. It does not wait for that if ctx ends.
func (f *importFlags) translate(ctx context.Context, paths []string, stdin io.Reader) (importer.Result, error) {
	type outcome struct {
		importer.Result
		err error
	}
	done := make(chan outcome, 1)
	go func() {
		configs, err := f.read(paths, stdin)
		if err != nil {
			done <- outcome{err: err}
			return
		}
		done <- outcome{Result: importer.Translate(f.options(), configs...)}
	}()
	select {
	case o := <-done:
		return o.Result, o.err
	case <-ctx.Done():
		return importer.Result{}, interrupted(ctx.Err())
	}
}

func (f *importFlags) read(paths []string, stdin io.Reader) ([]source.Config, error) {
	files, err := importer.Files(paths, stdin)
	if err != nil {
		return nil, asFault(err, exitUsage, "name files and folders that you may read, or - for standard input")
	}
	configs, err := importer.Read(f.from.value, files)
	if errors.Is(err, importer.ErrNothing) {
		return nil, asFault(err, exitUsage, "understood are: "+strings.Join(importer.Understood(), "; "), "if it is one of these, name it with --from")
	}
	return configs, asFault(err, exitUsage)
}

// free reports the first file that is there already: all that the flags ask for are written,
// or none.
func (f *importFlags) free() error {
	for _, o := range f.outputs() {
		if _, err := os.Lstat(o.name); err == nil && !f.force {
			return misused("name another folder or file, or overwrite it with --force", "%s is there already", printable.Name(o.name))
		}
	}
	return nil
}

// importedFile is a file that the flags ask for.
type importedFile struct {
	name string
	text func(importer.Result) []byte
}

func (f *importFlags) outputs() (all []importedFile) {
	if f.out != "" {
		all = append(all, importedFile{filepath.Join(f.out, importedName), importer.Result.Text})
	}
	if f.cases != "" {
		all = append(all, importedFile{filepath.Join(f.cases, importedName), importer.Result.Cases})
	}
	if f.report != "" {
		all = append(all, importedFile{f.report, func(r importer.Result) []byte { return []byte(r.Report() + r.Summary() + "\n") }})
	}
	return all
}

// write writes the files that the flags ask for, and returns their names.
func (f *importFlags) write(r importer.Result) (written []string, err error) {
	for _, o := range f.outputs() {
		if err := f.place(o.name, o.text(r)); err != nil {
			return nil, err
		}
		written = append(written, o.name)
	}
	return written, nil
}

// place writes a file.
func (f *importFlags) place(name string, text []byte) error {
	err := os.MkdirAll(filepath.Dir(name), 0o755)
	if err == nil {
		err = os.WriteFile(name, text, 0o644)
	}
	if err != nil {
		return hinted(printable.Error(err), "name a folder that you may write to")
	}
	return nil
}

// print prints what no file has.
func (f *importFlags) print(stdout, stderr io.Writer, r importer.Result, written []string) error {
	if f.format.value == "json" {
		return writeJSON(stdout, imported{Policies: orNone(r.Policies), Findings: orNone(r.Findings), Summary: r.Counts(), Files: orNone(written)})
	}
	if f.out == "" {
		if _, err := stdout.Write(r.Text()); err != nil {
			return err
		}
	}
	if f.report == "" {
		fmt.Fprint(stderr, r.Report())
	}
	fmt.Fprintln(stderr, r.Summary())
	for _, hint := range f.next(r) {
		fmt.Fprintln(stderr, "next: "+hint)
	}
	return nil
}

// orNone returns list, or an empty one, which JSON does not write as null.
func orNone[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// next says what to do now.
func (f *importFlags) next(r importer.Result) (steps []string) {
	if r.Undecided() {
		steps = append(steps, "read the lines with decide and widened, and change the policies accordingly")
	}
	switch {
	case len(r.Policies) == 0:
	case f.out != "" && f.cases != "":
		steps = append(steps, fmt.Sprintf("corsgate test --policies %s %s", printable.Name(f.out), printable.Name(f.cases)))
	case f.out != "":
		steps = append(steps, "corsgate check "+printable.Name(f.out))
	}
	return steps
}

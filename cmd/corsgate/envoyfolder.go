package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/notrip"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/policy/printable"
	"github.com/corsgate/corsgate/server/live"
)

// The files that envoy-config writes beside the filters.
const (
	bootstrapName = "envoy.yaml"
	// newBootstrapName is the bootstrap that would be written if there were no other.
	newBootstrapName = bootstrapName + ".new"
)

// fileState says what happened to a file.
type fileState string

const (
	stateWritten   fileState = "written"
	stateUnchanged fileState = "unchanged"
	stateKept      fileState = "kept"    // it differs, and may have been edited
	stateRemoved   fileState = "removed" // it no longer differs
)

// folderReport says what was written, in the form of its JSON.
type folderReport struct {
	Files []fileReport `json:"files"`
	// Policies is the number of compiled policies. Findings say about which requests
	// Envoy asks.
	Policies int                     `json:"policies"`
	Findings []policyfile.Diagnostic `json:"findings"`
	// Bytes is the size of the filters, and Budget its bound.
	Bytes  int `json:"bytes"`
	Budget int `json:"budget"`
	// Next says what to do now.
	Next []string `json:"next"`
}

type fileReport struct {
	File  string    `json:"file"`
	State fileState `json:"state"`
}

// write compiles the policies into the folder, and says what it has written.
func (f *envoyConfigFlags) write(cmd *cobra.Command, c envoy.Config) error {
	doc, err := f.document(c)
	if err != nil { // before anything is written
		return asFault(err, exitUsage, "see 'corsgate envoy-config --help'")
	}
	filters, found, err := f.compileWhole(cmd, c)
	if err != nil {
		return err
	}
	report := &folderReport{Policies: len(filters.Policies()), Findings: found, Bytes: filters.Size(), Budget: c.Compiled.Budget}
	if err := f.place(report, filters, doc); err != nil {
		return hinted(printable.Error(err), "name another folder, that you may write to, with --out DIR")
	}
	f.advise(report, c)
	return f.tell(cmd, report, doc)
}

// document returns the bootstrap, or what to paste.
func (f *envoyConfigFlags) document(c envoy.Config) ([]byte, error) {
	if f.only.value != "" {
		return f.printer(c)()
	}
	return c.YAML()
}

// compileWhole compiles the policies, and says what Envoy asks about. If there is no
// service, it is an error if Envoy would have to ask.
func (f *envoyConfigFlags) compileWhole(cmd *cobra.Command, c envoy.Config) (*notrip.Result, []policyfile.Diagnostic, error) {
	r, err := f.load(cmd)
	if err != nil {
		return nil, nil, err
	}
	filters, found, err := compileFor(c, r)
	if err != nil {
		return nil, nil, err
	}
	return filters, found, needService(cmd.ErrOrStderr(), found)
}

// load loads the policies. Their mistakes go to standard error, as check prints
// them.
func (f *envoyConfigFlags) load(cmd *cobra.Command) (policyfile.Result, error) {
	r, err := live.Check(cmd.Context(), sourceOf(f.policies))
	if err != nil {
		return r.Result, mendable(cmd.ErrOrStderr(), refusal(f.policies, err), errors.New("no good policies to compile"), exitFailure)
	}
	for _, d := range r.Diagnostics {
		fmt.Fprintln(cmd.ErrOrStderr(), d)
	}
	return r.Result, nil
}

// needService prints the errors among the findings. If there are any, it returns
// an error.
func needService(stderr io.Writer, found []policyfile.Diagnostic) (err error) {
	for _, d := range found {
		if d.Level == policy.Error {
			fmt.Fprintln(stderr, d)
			err = hinted(errors.New("there are policies that Envoy cannot decide about, and there is no service to ask"),
				"change the policies above, or run 'corsgate serve' and name it with --service ADDRESS")
		}
	}
	return err
}

// place writes the filters, and beside them the bootstrap unless it is printed: the
// filters first, since Envoy does not start without them.
func (f *envoyConfigFlags) place(report *folderReport, filters *notrip.Result, doc []byte) error {
	staged, err := envoy.StageFilters(f.out, filters)
	if err != nil {
		return err
	}
	if err := staged.Commit(); err != nil {
		return err
	}
	report.add(f.out, stateWritten, staged.Changed...)
	report.add(f.out, stateUnchanged, staged.Same...)
	if f.only.value != "" {
		return nil
	}
	return report.keepBootstrap(f.out, doc)
}

// tell says what was done. If there is something to paste, that goes to standard
// output, and the rest to standard error.
func (f *envoyConfigFlags) tell(cmd *cobra.Command, report *folderReport, doc []byte) error {
	switch {
	case f.only.value != "":
		_, err := cmd.OutOrStdout().Write(doc)
		return errors.Join(err, report.print(cmd.ErrOrStderr()))
	case f.format.value == "json":
		return writeJSON(cmd.OutOrStdout(), report)
	default:
		return report.print(cmd.OutOrStdout())
	}
}

// add adds files of a folder.
func (r *folderReport) add(folder string, state fileState, names ...string) {
	for _, name := range names {
		r.Files = append(r.Files, fileReport{printable.Name(filepath.Join(folder, name)), state})
	}
}

// keepBootstrap writes the bootstrap if there is none. If there is a different one,
// the user may have edited it: it stays, and the new one is beside it as long as
// they differ.
func (r *folderReport) keepBootstrap(folder string, doc []byte) error {
	before, err := os.ReadFile(filepath.Join(folder, bootstrapName))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.add(folder, stateWritten, bootstrapName)
		err = envoy.WriteFile(folder, bootstrapName, doc)
	case err != nil:
		return err
	case bytes.Equal(before, doc):
		r.add(folder, stateUnchanged, bootstrapName)
	default:
		r.add(folder, stateKept, bootstrapName)
		r.add(folder, stateWritten, newBootstrapName)
		return envoy.WriteFile(folder, newBootstrapName, doc)
	}
	return errors.Join(err, r.removeNew(folder))
}

// removeNew removes a new bootstrap that the user has copied into the old one.
func (r *folderReport) removeNew(folder string) error {
	err := os.Remove(filepath.Join(folder, newBootstrapName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	r.add(folder, stateRemoved, newBootstrapName)
	return err
}

// state returns what happened to a file, or "".
func (r *folderReport) state(folder, name string) fileState {
	for _, f := range r.Files {
		if f.File == printable.Name(filepath.Join(folder, name)) {
			return f.State
		}
	}
	return ""
}

// advise says what to do next.
func (f *envoyConfigFlags) advise(r *folderReport, c envoy.Config) {
	seen := printable.Name(filepath.Join(c.Compiled.Folder, bootstrapName))
	switch r.state(f.out, bootstrapName) {
	case "":
		r.Next = append(r.Next, "paste what is printed into your configuration; an Envoy that has it reads the filters by itself")
	case stateWritten:
		r.Next = append(r.Next, "start Envoy: envoy -c "+seen)
	case stateUnchanged:
		r.Next = append(r.Next, "an Envoy that runs with it reads the filters by itself")
	case stateKept:
		r.Next = append(r.Next, bootstrapName+" differs from what these flags give, and may be edited, so it stays: copy what is new from "+newBootstrapName+", and restart Envoy")
	}
	if c.Service != "" {
		serve := "corsgate serve --policies " + printable.Name(f.policies)
		if c.Service != defaultGRPCListen {
			serve += " --grpc-listen ADDRESS"
		}
		r.Next = append(r.Next, fmt.Sprintf("Envoy asks about some requests at %s; answer there: %s", c.Service, serve))
	}
	r.Next = append(r.Next, "when the policies have changed, run this again")
}

// print writes the report for people.
func (r *folderReport) print(out io.Writer) error {
	for _, f := range r.Files {
		fmt.Fprintf(out, "%-9s %s\n", f.State, f.File)
	}
	paint := painterFor(out)
	for _, d := range r.Findings {
		if d.Code != codeCompiled {
			fmt.Fprintln(out, findingLine(paint, d))
		}
	}
	budget := size(r.Budget)
	fmt.Fprintf(out, "%s: %s\n", printable.Counted(r.Policies, "policy", "policies"), byItself(r.Policies, r.Findings))
	fmt.Fprintf(out, "%d bytes, %d %% of the budget of %v\n", r.Bytes, 100*r.Bytes/r.Budget, &budget)
	for _, next := range r.Next {
		if _, err := fmt.Fprintln(out, "next: "+next); err != nil {
			return err
		}
	}
	return nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/corsgate/corsgate/envoy/exporter"
	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/policy/printable"
	"github.com/corsgate/corsgate/server/live"
)

// exportFlags are the flags of export.
type exportFlags struct {
	to, format  *choice
	out, report string
}

func newExport() *cobra.Command {
	f := exportFlags{to: oneOf(append([]string{""}, targetWords()...)...), format: oneOf("text", "json")}
	cmd := &cobra.Command{
		Use:   "export --to TARGET POLICIES...",
		Short: "Write policies as the CORS configuration of another system",
		Long: `Writes policies as the CORS configuration that another system has of its own: HTTPRoutes
with CORS filters of the Gateway API, SecurityPolicies of Envoy Gateway, Envoy's cors
filter, or Istio's VirtualServices. POLICIES are policy files, folders or URLs of stores.
The names of backends and gateways are yours to fill in.

A report says what is not the same there, a line for each finding:

  FILE:LINE:COL: FIDELITY policy NAME FIELD "VALUE": MESSAGE (such as ORIGIN; HINT)

FIDELITY is equal, narrowed, widened, dropped, clamped, default, differs or decide. No
origin is allowed there that a policy does not allow, unless the report says widened.

Exits 1 if something changes which page may do what, and with 2 if nothing was written.`,
		Example: `  corsgate export --to envoy policies/ > cors.yaml
  corsgate export --to gateway-api --out routes.yaml --report report.txt policies/
  corsgate export --to istio --format json --out virtualservices.yaml policies/`,
		Args: someArguments("name a policy file or folder: corsgate export --to TARGET POLICIES", "no POLICIES given"),
		RunE: func(cmd *cobra.Command, paths []string) error { return f.run(cmd, paths) },
	}
	cmd.Flags().Var(f.to, "to", "the system to write for; required")
	cmd.Flags().StringVar(&f.out, "out", "", "`FILE` to write the configuration to; by default standard output")
	cmd.Flags().StringVar(&f.report, "report", "", "`FILE` to write the report to; by default standard error")
	cmd.Flags().Var(f.format, "format", "how to write the report")
	return cmd
}

func targetWords() (words []string) {
	for _, t := range exporter.Targets() {
		words = append(words, string(t))
	}
	return words
}

func (f *exportFlags) run(cmd *cobra.Command, paths []string) error {
	if f.to.value == "" {
		return misused("name the system with --to "+strings.Join(targetWords(), "|"), "no --to given")
	}
	policies, err := loadAll(cmd.Context(), cmd.ErrOrStderr(), paths)
	if err != nil {
		return err
	}
	r, err := exporter.Export(exporter.Target(f.to.value), policies)
	if err != nil {
		return asFault(err, exitUsage)
	}
	report := newExportReport(f.to.value, len(policies.Specs), r.Findings)
	if err := errors.Join(
		writeTo(f.out, cmd.OutOrStdout(), func(w io.Writer) error { _, err := w.Write(r.Document); return err }),
		writeTo(f.report, cmd.ErrOrStderr(), func(w io.Writer) error { return report.write(w, f.format.value) }),
	); err != nil {
		return asFault(err, exitUsage)
	}
	if report.Lossy > 0 {
		return errFindings
	}
	return nil
}

// loadAll loads policies of several places, and judges them together.
func loadAll(ctx context.Context, stderr io.Writer, paths []string) (all exporter.Policies, err error) {
	type place struct {
		result policyfile.Result
		spec   int
	}
	var places []place
	for _, path := range paths {
		r, err := live.Check(ctx, sourceOf(path))
		if err != nil {
			return all, mendable(stderr, refusal(path, err), fmt.Errorf("no good policies in %s", printable.Name(path)), exitUsage)
		}
		for i, s := range r.Policies.Specs() {
			all.Specs, places = append(all.Specs, s), append(places, place{r.Result, i})
		}
	}
	all.Locate = func(spec int, field string) source.Place {
		d := places[spec].result.Locate(places[spec].spec, field)
		return source.Place{File: d.File, Line: d.Line, Column: d.Column}
	}
	if len(paths) > 1 {
		policyfile.Examine(all.Specs, func(p policy.Problem) {
			if p.Level == policy.Error && err == nil {
				err = asFault(fmt.Errorf("%s: %s", all.Locate(p.Spec, p.Field), p), exitUsage)
			}
		})
	}
	return all, err
}

// writeTo writes to a file, or to w if no file is named.
func writeTo(file string, w io.Writer, write func(io.Writer) error) error {
	if file == "" {
		return write(w)
	}
	var text strings.Builder
	if err := write(&text); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(text.String()), 0o644)
}

// exportReport is what export tells.
type exportReport struct {
	To       string           `json:"to"`
	Policies int              `json:"policies"`
	Lossy    int              `json:"lossy"` // findings that change which page may do what
	Findings []source.Finding `json:"findings"`
}

func newExportReport(to string, policies int, found []source.Finding) exportReport {
	r := exportReport{To: to, Policies: policies, Findings: append([]source.Finding{}, found...)}
	for _, f := range found {
		if exporter.IsLossy(f) {
			r.Lossy++
		}
	}
	return r
}

func (r exportReport) write(w io.Writer, format string) error {
	if format == "json" {
		return writeJSON(w, r)
	}
	paint := painterFor(w)
	for _, f := range r.Findings {
		if _, err := fmt.Fprintln(w, exportLine(paint, f)); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "%s, %s; %d of them change which page may do what\n",
		printable.Counted(r.Policies, "policy", "policies"), printable.Counted(len(r.Findings), "finding", "findings"), r.Lossy)
	return err
}

// exportLine returns a finding on one line, its fidelity in colour.
func exportLine(paint printable.Painter, f source.Finding) string {
	colour := paint.Green
	if exporter.IsLossy(f) {
		colour = paint.Yellow
	}
	line := colour(string(f.Fidelity))
	if f.Policy != "" {
		line = f.Place.String() + ": " + line + " policy " + f.Policy + " " + f.Field
	}
	if f.Value != "" {
		line += " " + strconv.Quote(f.Value)
	}
	line += ": " + f.Message
	var more []string
	if f.Origin != "" {
		more = append(more, "such as "+strconv.Quote(f.Origin))
	}
	if f.Hint != "" {
		more = append(more, f.Hint)
	}
	if len(more) > 0 {
		line += " (" + strings.Join(more, "; ") + ")"
	}
	return line
}

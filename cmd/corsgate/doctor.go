package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/corsgate/corsgate/envoy/doctor"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/printable"
	"github.com/corsgate/corsgate/server/access"
)

// doctorFlags are the flags of doctor.
type doctorFlags struct {
	envoy, admin                string
	configDump, clusters, stats string // files
	service, policies           string
	probe                       probeFlags
	strict                      bool
	format                      *choice
}

func newDoctor() *cobra.Command {
	f := doctorFlags{format: oneOf("text", "json")}
	cmd := &cobra.Command{
		Use:   "doctor [BOOTSTRAP]",
		Short: "Say what is wrong with an Envoy: its configuration, its counters, its answers",
		Long: `Reads the configuration, the clusters and the counters of a running Envoy at its admin
listener, and says what is wrong about CORS: filters that are missing, in the wrong
order, or switched off; others that answer or write CORS headers, too; how corsgate is
asked, and whether it answers. It changes nothing. Envoys of Istio and Envoy Gateway are
read, too. A note is no complaint.

Instead of a running Envoy it reads files: a BOOTSTRAP, with the files that it names of
filters, routes, listeners and clusters; or what Envoy's admin listener answers to
/config_dump, /clusters?format=json and /stats. One of them may be "-", which is standard
input.

With --admin it compares what Envoy has with what corsgate serves. With --policies it
knows which hosts and paths matter, and what the filters of the profile no-trip should be:
some of these do not say themselves which policies they were compiled from.

With --probe it sends requests to Envoy itself, for hosts and origins of --policies, and
compares the answers with what the policies say. It sends OPTIONS, GET and HEAD, a few
hundred at most, up to eight at once, and follows no redirect. The host has the port in a
few of them, as browsers write it if they ask that listener themselves. An answer that is
slow is not wrong: if there is no time for all of them, a note says how many there were.

Exits 1 if there are errors; with --strict, if there are warnings, too. Exits 4 if Envoy or
corsgate cannot be asked; without corsgate, it says what is wrong with Envoy all the same.

--format json prints {"envoy", "findings", "errors", "warnings", "notes", "probes"}. A
finding has "code", "level", "place" (an object with those of listener, filterChain, filter,
routeConfig, virtualHost, route, cluster, counter and url that are meant), "what" is wrong,
what is "seen" because of it, and what to "write".`,
		Example: `  corsgate doctor --envoy http://127.0.0.1:9901
  corsgate doctor --envoy http://127.0.0.1:9901 --admin http://127.0.0.1:9002 --format json
  corsgate doctor --envoy http://127.0.0.1:9901 --policies policies/ --probe https://127.0.0.1:8443
  corsgate doctor envoy.yaml
  kubectl exec deploy/edge -- curl -s localhost:15000/config_dump | corsgate doctor --config-dump -`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
	}
	f.define(cmd)
	return cmd
}

// define defines the flags of cmd.
func (f *doctorFlags) define(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.envoy, "envoy", "", "`URL` of the admin listener of a running Envoy")
	_ = flags.SetAnnotation("envoy", withoutVariables, []string{"CORSGATE_ENVOY names an Envoy binary"})
	flags.StringVar(&f.configDump, "config-dump", "", "`FILE` with what Envoy answers to /config_dump, instead of --envoy")
	flags.StringVar(&f.clusters, "clusters", "", "`FILE` with what it answers to /clusters?format=json")
	flags.StringVar(&f.stats, "stats", "", "`FILE` with what it answers to /stats")
	flags.StringVar(&f.admin, "admin", "", "`URL` of the admin listener of the corsgate that Envoy asks or follows")
	flags.StringVar(&f.policies, "policies", "", "`PATH` of the policies that it serves, or the URL of a store")
	flags.StringVar(&f.service, "service-cluster", "", "`NAME` of Envoy's cluster that is corsgate, if no name has \"corsgate\" in it")
	f.probe.define(flags)
	flags.BoolVar(&f.strict, "strict", false, "exit 1 if there are warnings, too")
	flags.Var(f.format, "format", "how to print the findings")
}

func (f *doctorFlags) run(cmd *cobra.Command, args []string) error {
	if err := f.check(args); err != nil {
		return err
	}
	in, err := f.input(cmd, args)
	if err != nil {
		return err
	}
	var unanswered error
	if f.admin != "" {
		in.Status, unanswered = askPage(cmd.Context(), "--admin", f.admin, "/status", "is 'corsgate serve' running, and is --admin its --admin-listen?")
	}
	r, err := doctor.Examine(in)
	if err != nil {
		return asFault(err, exitUsage, "give what Envoy answers to /config_dump, or a bootstrap")
	}
	if f.probe.url != "" {
		if err := f.probe.send(cmd, in.Policies, &r); err != nil {
			return err
		}
	}
	if err := printFindings(cmd.OutOrStdout(), cmd.ErrOrStderr(), r, f.format.value); err != nil {
		return err
	}
	if unanswered != nil {
		return unanswered
	}
	if r.Errors > 0 || f.strict && r.Warnings > 0 {
		return errFindings
	}
	return nil
}

// check reports flags that do not fit together.
func (f *doctorFlags) check(args []string) error {
	sources := 0
	for _, given := range []bool{f.envoy != "", f.configDump != "", len(args) > 0} {
		if given {
			sources++
		}
	}
	switch {
	case sources == 0:
		return misused("name its admin listener with --envoy http://127.0.0.1:9901, or a bootstrap: corsgate doctor envoy.yaml", "no Envoy given")
	case sources > 1:
		return misused("leave all but one of them out", "--envoy, --config-dump and a bootstrap are each an Envoy")
	case moreThanOne("-", append(args, f.configDump, f.clusters, f.stats)):
		return misused("save the others, and name their files", "standard input, \"-\", is given for several files")
	case f.envoy != "" && f.clusters+f.stats != "":
		return misused("leave them out, or give --config-dump instead of --envoy", "--clusters and --stats are files of an Envoy that --envoy asks")
	}
	return f.probe.check(f.policies)
}

// moreThanOne reports whether a text stands in a list several times.
func moreThanOne(text string, list []string) bool {
	i := slices.Index(list, text)
	return i >= 0 && slices.Contains(list[i+1:], text)
}

// input reads all that the flags name, but for --admin: what is wrong with Envoy can be said
// without it.
func (f *doctorFlags) input(cmd *cobra.Command, args []string) (in doctor.Input, err error) {
	in.Service = f.service
	if f.envoy != "" {
		err = f.askEnvoy(cmd.Context(), &in)
	} else {
		in.ReadFile = readNamed
		err = f.readFiles(append(args, f.configDump)[0], cmd.InOrStdin(), &in)
	}
	if err == nil && f.policies != "" {
		in.Policies, err = loadSet(cmd.Context(), cmd.ErrOrStderr(), f.policies, sourceOf(f.policies), exitUsage)
	}
	return in, err
}

// readFiles reads what Envoy has answered before.
func (f *doctorFlags) readFiles(config string, stdin io.Reader, in *doctor.Input) error {
	for _, one := range []struct {
		path string
		into *[]byte
	}{{config, &in.Config}, {f.clusters, &in.Clusters}, {f.stats, &in.Stats}} {
		if one.path == "" {
			continue
		}
		text, err := readDump(one.path, stdin)
		if err != nil {
			return asFault(err, exitUsage)
		}
		*one.into = text
	}
	return nil
}

// readDump reads a file, or standard input for "-", and little of what is too long to be
// judged.
func readDump(path string, stdin io.Reader) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(io.LimitReader(stdin, doctor.MaxBytes+1))
	}
	return readNamed(path)
}

// readNamed reads a file, whatever its name.
func readNamed(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, access.Explain(printable.Error(err), path)
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, doctor.MaxBytes+1))
}

// askEnvoy reads the pages of Envoy's admin listener.
func (f *doctorFlags) askEnvoy(ctx context.Context, in *doctor.Input) error {
	for _, one := range []struct {
		page string
		into *[]byte
	}{
		{"/config_dump", &in.Config},
		{"/clusters?format=json", &in.Clusters},
		{"/stats", &in.Stats},
		{"/server_info", &in.ServerInfo},
	} {
		text, err := askPage(ctx, "--envoy", f.envoy, one.page, "is Envoy running, and is --envoy its admin listener?")
		if err != nil {
			return err
		}
		*one.into = text
	}
	return nil
}

// askPage returns a page of an admin listener at address, a URL or HOST:PORT.
func askPage(ctx context.Context, flag, address, page, hint string) ([]byte, error) {
	u, err := adminURL(flag, address, "http://127.0.0.1:9901")
	if err != nil {
		return nil, err
	}
	text, err := getPage(ctx, strings.TrimSuffix(u.String(), "/")+page)
	if err != nil {
		return nil, asFault(fmt.Errorf("cannot ask %s: %w", printable.Name(u.Redacted()), err), exitUnreachable, hint)
	}
	return text, nil
}

func getPage(ctx context.Context, page string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, page, nil)
	if err != nil {
		return nil, err
	}
	resp, err := directClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answers %s", printable.Text(resp.Status))
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, doctor.MaxBytes+1))
	if err == nil && len(text) > doctor.MaxBytes {
		err = errors.New("the answer is too long")
	}
	return text, err
}

// printFindings writes the findings to out, and for people a summary to note.
func printFindings(out, note io.Writer, r doctor.Report, format string) error {
	if format == "json" {
		return writeJSON(out, r)
	}
	paint := painterFor(out)
	for _, f := range r.Findings {
		if _, err := io.WriteString(out, findingText(paint, f)); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(note, doctorSummary(r))
	return err
}

// findingText returns a finding: what is wrong and where, and indented what is seen of it
// and what to write.
func findingText(paint printable.Painter, f doctor.Finding) string {
	colour := map[policy.Level]func(string) string{policy.Error: paint.Red, policy.Warning: paint.Yellow, policy.Note: paint.Green}[f.Level]
	text := fmt.Sprintf("%s [%s] %s: %s\n  seen: %s\n", colour(f.Level.String()), f.Code, printable.Text(f.Place.String()), printable.Text(f.What), printable.Text(f.Seen))
	return text + fmt.Sprintf("  write: %s\n", printable.Text(f.Write))
}

// doctorSummary says in a few words what was found.
func doctorSummary(r doctor.Report) string {
	text := "nothing to complain about"
	if r.Errors+r.Warnings > 0 {
		text = printable.Counted(r.Errors, "error", "errors") + ", " + printable.Counted(r.Warnings, "warning", "warnings")
	}
	if r.Notes > 0 {
		text += ", " + printable.Counted(r.Notes, "note", "notes")
	}
	if r.Probes > 0 {
		text += ", " + printable.Counted(r.Probes, "request", "requests") + " sent"
	}
	if r.Envoy != "" {
		text = "Envoy " + r.Envoy + ": " + text
	}
	return text
}

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/corsgate/corsgate/policy/browser"
	"github.com/corsgate/corsgate/policy/explain"
	"github.com/corsgate/corsgate/policy/explain/paste"
	"github.com/corsgate/corsgate/policy/printable"
	"github.com/corsgate/corsgate/server/access"
)

// explainConfig is what the flags of explain say.
type explainConfig struct {
	policies, admin          string
	origin, method, url      string
	scheme, host, path       string
	headers, upstreamHeaders []string
	upstreamStatus           status
	credentials              *choice
	upload                   bool
	policy, curl, har        string
	ports                    ports // the ports that Envoy knows, in no-trip
}

// explainer answers a question: from policy files, or by asking a service.
type explainer func(context.Context, explain.Question) (explain.Report, error)

// all answers the questions. It writes to note which questions have no answer.
// If none has one, the error says why.
func (ask explainer) all(ctx context.Context, note io.Writer, questions []explain.Question) (reports []explain.Report, err error) {
	var skipped strings.Builder
	for _, q := range questions {
		r, failed := ask(ctx, q)
		if failed == nil {
			reports = append(reports, r)
			continue
		}
		err = cmp.Or(err, failed)
		fmt.Fprintf(&skipped, "skipped %s %s: %s\n", printable.Value(q.Method), printable.Value(q.URL), printable.Text(failed.Error()))
	}
	if len(reports) == 0 || ctx.Err() != nil {
		return nil, cmp.Or(err, ctx.Err())
	}
	_, err = io.WriteString(note, skipped.String())
	return reports, err
}

func newExplain() *cobra.Command {
	c := explainConfig{credentials: oneOf("", "omit", "same-origin", "include")}
	format := oneOf("text", "json")
	cmd := &cobra.Command{
		Use:   "explain",
		Short: "Say why a page's request is allowed or blocked, and what would allow it",
		Long: `Says which policy a request gets and why, and which entry matches or nearly matches.
It shows the exact headers of the answers to the preflight and to the request, and what
a browser does with them, step by step, with the section of
https://fetch.spec.whatwg.org that each step follows. Then it says what to add to the
policy to allow the request. With --policies it also says whether an Envoy of the profile
no-trip decides by itself or asks corsgate.

Give the request by flags, by what "Copy as cURL" (bash or cmd) or "Copy as fetch" in a
browser's developer tools copies, or by a HAR file. Of a HAR file, each request that the
page could not read is explained. Flags given beside these override only what they name;
--headers adds to them. The policies are those of --policies, or those that a running
corsgate serves, which is asked at its admin listener.

If no policy covers the request, or if the policy leaves it to the upstream, the
upstream's answer decides. A HAR file has that answer; otherwise give it with
--upstream-header and --upstream-status.

Exits 0 if the page may read the answer, or if a recorded request failed for another
reason than CORS or a policy, such as the network. Exits 1 if the request is blocked; of
several requests, if one is. Exits 2 if that is not known, or depends on an answer of the
upstream that is not given.`,
		Example: `  corsgate explain --policies policies/ --origin https://app.example.com --host api.example.com --method PUT --headers content-type
  corsgate explain --policies policies/ --curl "curl -X DELETE -H 'Origin: https://app.example.com' https://api.example.com/v1"
  pbpaste | corsgate explain --policies policies/ --curl -
  corsgate explain --admin http://127.0.0.1:9002 --har session.har`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return asFault(c.explain(cmd, format.value), exitUsage)
		},
	}
	c.define(cmd)
	cmd.Flags().Var(format, "format", "how to print what is found")
	return cmd
}

// define defines the flags of cmd.
func (c *explainConfig) define(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&c.policies, "policies", "", "`PATH` of the policy file or folder, or the URL of a store")
	flags.StringVar(&c.admin, "admin", "", "`URL` of a running corsgate's admin listener, instead of --policies")
	flags.StringVar(&c.origin, "origin", "", "`ORIGIN` of the page")
	flags.StringVar(&c.method, "method", "", "method of the page's request, not of its preflight (default GET)")
	flags.StringArrayVar(&c.headers, "headers", nil, "`HEADERS` that the page sets: names with commas, or one \"NAME: VALUE\"; may be repeated")
	flags.StringVar(&c.url, "url", "", "`URL` asked for; --scheme, --host and --path override parts of it")
	flags.StringVar(&c.scheme, "scheme", "", "scheme of the URL asked for (default https)")
	flags.StringVar(&c.host, "host", "", "`HOST[:PORT]` of the URL asked for")
	flags.StringVar(&c.path, "path", "", "path of the URL asked for, with its query (default /)")
	flags.Var(c.credentials, "credentials", "credentials mode of the request; the browser's default is same-origin")
	flags.BoolVar(&c.upload, "upload", false, "the page listens to the upload's progress, which needs a preflight")
	flags.StringVar(&c.policy, "policy", "", "`NAME` of the policy that Envoy gives")
	flags.StringArrayVar(&c.upstreamHeaders, "upstream-header", nil, "\"NAME: VALUE\" that the upstream's answer has; may be repeated")
	flags.Var(&c.upstreamStatus, "upstream-status", "status of the upstream's answer (default 200)")
	flags.Var(&c.ports, "port", "`PORT` of 'envoy-config --port', repeatable: in no-trip Envoy itself decides about hosts with this port")
	_ = flags.SetAnnotation("port", withoutVariables, []string{"Kubernetes sets CORSGATE_PORT in pods beside a Service of that name"})
	flags.StringVar(&c.curl, "curl", "", "a curl `COMMAND`, several, or calls of fetch, as browsers copy them; - reads it from standard input")
	flags.StringVar(&c.har, "har", "", "a HAR `FILE`; - reads it from standard input")
}

// explain answers what the flags ask and prints it.
func (c *explainConfig) explain(cmd *cobra.Command, format string) error {
	questions, err := c.questions(cmd.InOrStdin(), cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	ask, err := c.explainer(cmd.Context(), cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	reports, err := ask.all(cmd.Context(), cmd.ErrOrStderr(), questions)
	if err != nil {
		return err
	}
	return c.print(cmd.OutOrStdout(), cmd.ErrOrStderr(), reports, format)
}

// explainer returns the explainer for --policies or for --admin.
func (c *explainConfig) explainer(ctx context.Context, stderr io.Writer) (explainer, error) {
	switch {
	case c.policies != "" && c.admin != "":
		return nil, misused("leave one of them out; the variables CORSGATE_POLICIES and CORSGATE_ADMIN give them, too",
			"--policies and --admin are both given, and explain asks only one of them")
	case c.policies == "" && c.admin == "":
		return nil, misused("name the policy file or folder with --policies, or a running corsgate with --admin http://127.0.0.1:9002",
			"one of --policies and --admin is needed")
	case c.admin != "" && len(c.ports) > 0:
		return nil, misused("leave it out, or give --policies", "--port is about the Envoy that policies are compiled for")
	case c.admin != "":
		return askAdmin(c.admin)
	}
	set, err := loadSet(ctx, stderr, c.policies, sourceOf(c.policies), exitUsage)
	if err != nil {
		return nil, err
	}
	noTrip, err := noTripOf(set, c.ports)
	return policiesExplainer(explain.Policies{Set: set, NoTrip: noTrip}), err
}

func policiesExplainer(ps explain.Policies) explainer {
	return func(_ context.Context, q explain.Question) (explain.Report, error) { return ps.Explain(q) }
}

// questions returns what is asked. Without --curl and --har, the flags
// describe one question. It writes to note what it leaves out of a HAR file.
func (c *explainConfig) questions(stdin io.Reader, note io.Writer) (qs []explain.Question, err error) {
	if err := c.checkHost(); err != nil {
		return nil, err
	}
	switch {
	case c.har != "" && c.curl != "":
		return nil, misused("leave one of them out; the variables CORSGATE_HAR and CORSGATE_CURL give them, too",
			"--har and --curl are both given, and explain reads only one of them")
	case c.har != "":
		qs, err = c.readHAR(stdin, note)
	case c.curl != "":
		qs, err = c.readCurl(stdin)
	default:
		qs = make([]explain.Question, 1)
	}
	for i := range qs {
		err = errors.Join(err, c.override(&qs[i]))
	}
	if err != nil {
		return nil, err
	}
	if q := qs[0]; c.har == "" && (q.URL == "" || q.Origin == "") {
		return nil, misused("name what is asked for and by whom: --origin https://app.example.com --host api.example.com --path /v1",
			"--origin and --host, or a copied command with both, are needed")
	}
	return qs, nil
}

func (c *explainConfig) readHAR(stdin io.Reader, note io.Writer) ([]explain.Question, error) {
	text, err := readInput(c.har, stdin)
	if err != nil {
		return nil, asFault(err, exitUsage, "give --har the file that the browser's developer tools save, or - for standard input")
	}
	r, err := paste.HAR(text)
	for _, skipped := range r.Skipped {
		fmt.Fprintf(note, "skipped %s\n", printable.Text(skipped))
	}
	switch {
	case err == nil && r.Entries == 0:
		err = errors.New("the HAR file has no requests")
	case err == nil && len(r.Questions) == 0:
		err = fmt.Errorf("none of the %d requests of the HAR file has an Origin, and none failed as requests fail because of CORS", r.Entries)
	}
	return r.Questions, asFault(err, exitUsage, "give --har the file that \"Save all as HAR\" in the browser's developer tools writes")
}

func (c *explainConfig) readCurl(stdin io.Reader) (qs []explain.Question, err error) {
	command := c.curl
	if command == "-" {
		command, err = readInput("-", stdin)
	}
	if err == nil {
		qs, err = paste.Command(command)
	}
	hint := `give --curl the whole command in one argument, as in --curl "curl -H 'Origin: https://app.example.com' https://api.example.com/"`
	if c.curl == "-" {
		hint = `paste the whole command, as "Copy as cURL" in the browser's developer tools copies it`
	}
	return qs, asFault(err, exitUsage, hint)
}

// checkHost refuses a value that has more than a host.
func (c *explainConfig) checkHost() error {
	if strings.Contains(c.host, "//") {
		return misused("give it to --url, instead of --scheme, --host and --path", "--host wants a host, and %q is a URL", c.host)
	}
	if i := strings.IndexAny(c.host, "/?#"); i >= 0 {
		host, path := c.host[:i], strings.TrimPrefix(c.host[i:], "/")
		return misused(fmt.Sprintf("write --host %s --path /%s", host, path), "--host wants a host, and %q has a path", c.host)
	}
	return nil
}

// override sets the parts of q that flags give.
func (c *explainConfig) override(q *explain.Question) error {
	q.Origin, q.Method = cmp.Or(c.origin, q.Origin), cmp.Or(c.method, q.Method)
	q.URL = c.target(cmp.Or(c.url, q.URL))
	q.Credentials = cmp.Or(browser.Credentials(c.credentials.value), q.Credentials)
	q.Upload, q.Policy = q.Upload || c.upload, c.policy
	if c.upstreamStatus != 0 || c.upstreamHeaders != nil { // instead of what was recorded
		q.Upstream.Status, q.UpstreamPreflight = cmp.Or(int(c.upstreamStatus), q.Upstream.Status), nil
	}
	if c.upstreamHeaders != nil || c.upstreamStatus != 0 && q.Upstream.Headers == nil {
		q.Upstream.Headers = browser.Headers{}
	}
	for _, text := range c.headers {
		q.Headers = append(q.Headers, headersOf(text)...)
	}
	for _, line := range c.upstreamHeaders {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return misused("write it as in --upstream-header 'Vary: Accept'", "invalid --upstream-header %q", line)
		}
		q.Upstream.Headers = append(q.Upstream.Headers, browser.Header{Name: strings.TrimSpace(name), Value: strings.TrimSpace(value)})
	}
	return nil
}

// target returns base with the parts that --scheme, --host and --path give. If the result is
// not a URL with a host, the reader of the question refuses it.
func (c *explainConfig) target(base string) string {
	if c.scheme == "" && c.host == "" && c.path == "" {
		return base
	}
	if base == "" && c.host != "" {
		base = "https://" + c.host
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		return base
	}
	path := cmp.Or(c.path, u.RequestURI())
	return cmp.Or(c.scheme, u.Scheme) + "://" + cmp.Or(c.host, u.Host) + "/" + strings.TrimPrefix(path, "/")
}

// headersOf reads "NAME: VALUE", or names with commas.
func headersOf(text string) (hs browser.Headers) {
	if name, value, ok := strings.Cut(text, ":"); ok {
		return browser.Headers{{Name: strings.TrimSpace(name), Value: strings.TrimSpace(value)}}
	}
	for name := range strings.SplitSeq(text, ",") {
		if name = strings.TrimSpace(name); name != "" {
			hs = append(hs, browser.Header{Name: name})
		}
	}
	return hs
}

// maxInput bounds how much of a curl command or a HAR file is read.
const maxInput = 256 << 20

// readInput reads the file, or standard input for "-".
func readInput(name string, stdin io.Reader) (string, error) {
	in := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return "", fmt.Errorf("HAR file: %w", access.Explain(printable.Error(err), name))
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxInput))
	if err != nil {
		return "", fmt.Errorf("read %s: %w", printable.Name(name), printable.Error(err))
	}
	return string(text), nil
}

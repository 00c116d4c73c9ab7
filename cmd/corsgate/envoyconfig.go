package main

import (
	"github.com/spf13/cobra"

	"github.com/corsgate/corsgate/envoy"
)

// envoyConfigFlags are the flags of envoy-config.
type envoyConfigFlags struct {
	config       envoy.Config
	only, format *choice
	// Flags of closed lists; run copies them into config.
	profile, matchBy, withoutOrigin, fail *choice
}

func newEnvoyConfig() *cobra.Command {
	f := envoyConfigFlags{
		only:          oneOf("", "filters"),
		format:        oneOf("yaml", "json"),
		profile:       profileChoice(),
		matchBy:       oneOf(string(envoy.ByMatcher), string(envoy.ByRoute)),
		withoutOrigin: oneOf(string(envoy.WithoutOriginStrip), string(envoy.WithoutOriginLeave)),
		fail:          oneOf(string(envoy.FailOpen), string(envoy.FailClosed)),
	}
	cmd := &cobra.Command{
		Use:   "envoy-config",
		Short: "Print the configuration that makes an Envoy ask corsgate",
		Long: `Prints a complete Envoy bootstrap, or with --only filters what goes into a
configuration that is there already: the HTTP filters, what the connection manager
needs beside them, the virtual host's part and the cluster. Every part says in a comment what it is for.`,
		Example: `  corsgate envoy-config --upstream 127.0.0.1:8080 > envoy.yaml && envoy -c envoy.yaml
  corsgate envoy-config --only filters --service unix:///run/corsgate.sock`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out, err := f.generate()
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(out)
			return err
		},
	}
	f.define(cmd)
	return cmd
}

// profileChoice returns the --profile of commands that configure an Envoy.
func profileChoice() *choice {
	var words []string
	for _, p := range envoy.Profiles() {
		words = append(words, string(p))
	}
	return oneOf(words...)
}

// define defines the flags of cmd.
func (f *envoyConfigFlags) define(cmd *cobra.Command) {
	flags, c := cmd.Flags(), &f.config
	flags.Var(f.profile, "profile", "how Envoy asks corsgate")
	flags.StringVar(&c.Listen, "listen", "127.0.0.1:10000", "IP:PORT or unix:///PATH where Envoy takes traffic")
	flags.StringVar(&c.Upstream, "upstream", "", "HOST:PORT or unix:///PATH of the application; required for a whole bootstrap")
	flags.StringVar(&c.Service, "service", defaultGRPCListen, "HOST:PORT or unix:///PATH of corsgate")
	flags.StringVar(&c.Admin, "envoy-admin", "", "IP:PORT of Envoy's own admin listener; none by default")
	flags.Var(f.only, "only", "print this part alone")
	flags.Var(f.format, "format", "how to print it; json has no comments")
	flags.Var(f.matchBy, "match-by", "how Envoy tells the requests to ask about")
	flags.Var(f.withoutOrigin, "without-origin", "what answers to requests without an Origin get: strip removes the upstream's CORS headers and adds Vary")
	flags.StringSliceVar(&c.ManagedHosts, "managed-host", nil, "`HOST` that --without-origin strip holds for, repeatable; all by default")
	flags.Var(f.fail, "fail", "what happens when corsgate does not answer")
	flags.BoolVar(&c.RouteName, "route-name", false, "send the route's name too, for corsgate's decision log")
	flags.BoolVar(&c.AllowCustomMethods, "allow-custom-methods", false, "let methods through that Envoy does not know, over HTTP/1; Envoy warns of it at every start")
	flags.BoolVar(&c.MergeSlashes, "merge-slashes", false, "let routes and the upstream see one slash instead of several; decisions are the same without it")
	flags.DurationVar(&c.MessageTimeout, "message-timeout", envoy.DefaultMessageTimeout, "how long Envoy waits for an answer")
}

// generate returns what the flags ask for.
func (f *envoyConfigFlags) generate() ([]byte, error) {
	c := f.config
	c.Profile = envoy.Profile(f.profile.value)
	c.MatchBy = envoy.MatchBy(f.matchBy.value)
	c.WithoutOrigin = envoy.WithoutOrigin(f.withoutOrigin.value)
	c.Fail = envoy.FailureMode(f.fail.value)
	if f.only.value == "" && c.Upstream == "" {
		return nil, misused("name the application with --upstream HOST:PORT, or print the filters alone with --only filters",
			"no --upstream given")
	}
	out, err := f.printer(c)()
	if err != nil {
		return nil, asFault(err, exitUsage, "see 'corsgate envoy-config --help'")
	}
	return out, nil
}

// printer returns the method of c that prints what the flags ask for.
func (f *envoyConfigFlags) printer(c envoy.Config) func() ([]byte, error) {
	filters, json := f.only.value == "filters", f.format.value == "json"
	switch {
	case filters && json:
		return c.FiltersJSON
	case filters:
		return c.Filters
	case json:
		return c.JSON
	default:
		return c.YAML
	}
}

package main

import (
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/corsgate/corsgate/envoy"
)

// envoyConfigFlags are the flags of envoy-config.
type envoyConfigFlags struct {
	config       envoy.Config
	compile      compileFlags
	target       targetFlags
	policies     string
	out          string
	ecds         bool
	feed         percent
	stats        bool
	only, format *choice
	// Flags of closed lists; run copies them into config.
	profile, matchBy, withoutOrigin, fail *choice
}

func newEnvoyConfig() *cobra.Command {
	f := envoyConfigFlags{
		only:          oneOf("", "filters"),
		format:        oneOf(append([]string{"yaml", "json"}, controlPlaneWords()...)...),
		profile:       profileChoice(),
		matchBy:       oneOf(string(envoy.ByMatcher), string(envoy.ByRoute)),
		withoutOrigin: oneOf(string(envoy.WithoutOriginStrip), string(envoy.WithoutOriginLeave)),
		fail:          oneOf(string(envoy.FailOpen), string(envoy.FailClosed)),
	}
	cmd := &cobra.Command{
		Use:   "envoy-config",
		Short: "Print the configuration of an Envoy that has the policies compiled in, or that asks corsgate",
		Long: `Prints a complete Envoy bootstrap. With --only filters it prints what goes into a
configuration that you already have: the HTTP filters, what the connection manager
needs beside them, the virtual host's part and the cluster. A comment at each part says
what it is for.

In the profile no-trip Envoy has the policies compiled into its filters, and decides by
itself. 'corsgate serve --ecds' delivers the filters while Envoy runs.

With --policies and --out the filters are files instead. The command compiles the
policies. It writes the filters, which Envoy watches, and the bootstrap, envoy.yaml, into
the folder --out. Run it again when the policies have changed: a running Envoy then reads
what is new. It does not touch a file whose content stays the same. If an envoy.yaml is
there that differs, you may have edited it: the command leaves it, and writes
envoy.yaml.new. Without --service there is nobody to ask, so a policy that Envoy cannot
decide about is an error.

In the other profiles Envoy asks corsgate about each request with an Origin.

--format envoy-gateway and --format istio print Kubernetes objects for kubectl. They do
the same to the Envoys of a Gateway or a workload. In no-trip corsgate delivers the
policies; with --policies the object itself has them, and needs no service. --profile
two-phase needs only the portable API of Envoy Gateway, and --profile ext-authz only that
of Istio; the output says what is lost.`,
		Example: `  corsgate envoy-config --upstream 127.0.0.1:8080 > envoy.yaml && envoy -c envoy.yaml
  corsgate envoy-config --only filters --service unix:///run/corsgate.sock
  corsgate envoy-config --policies policies/ --out envoy/ --upstream 127.0.0.1:8080
  corsgate envoy-config --profile one-trip --upstream 127.0.0.1:8080 > envoy.yaml
  corsgate envoy-config --format envoy-gateway --gateway default/edge > corsgate.yaml
  corsgate envoy-config --format istio --workload istio-system/istio=ingressgateway`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	f.define(cmd)
	return cmd
}

// run prints or writes what the flags ask for.
func (f *envoyConfigFlags) run(cmd *cobra.Command) error {
	f.chooseECDS(cmd.Flags())
	if err := f.check(cmd.Flags()); err != nil {
		return err
	}
	if f.target.isMeant(f.format) {
		return f.printManifest(cmd)
	}
	c, err := f.envoy(cmd.Flags())
	if err != nil {
		return err
	}
	if f.out != "" && !f.ecds {
		return f.write(cmd, c)
	}
	return f.print(cmd, c)
}

// profileChoice returns the --profile of commands that configure an Envoy.
func profileChoice() *choice { return oneOf(profileWords()...) }

func profileWords() (words []string) {
	for _, p := range envoy.Profiles() {
		words = append(words, string(p))
	}
	return words
}

// define defines the flags of cmd.
func (f *envoyConfigFlags) define(cmd *cobra.Command) {
	flags, c := cmd.Flags(), &f.config
	flags.Var(f.profile, "profile", "how Envoy asks corsgate")
	flags.StringVar(&c.Listen, "listen", "127.0.0.1:10000", "IP:PORT or unix:///PATH where Envoy takes traffic")
	flags.StringVar(&c.Upstream, "upstream", "", "HOST:PORT or unix:///PATH of the application; required for a whole bootstrap")
	flags.StringVar(&c.Service, "service", defaultGRPCListen, "HOST:PORT or unix:///PATH of corsgate; by default none in no-trip with --out or --folder")
	flags.StringVar(&c.Admin, "envoy-admin", "", "IP:PORT of Envoy's own admin listener; none by default")
	flags.Var(f.only, "only", "print this part alone")
	flags.Var(f.format, "format", "how to print it; json has no comments; with --out, how to print what was written; envoy-gateway and istio print that control plane's objects")
	flags.Var(f.matchBy, "match-by", "how Envoy finds the requests that it asks about")
	flags.Var(f.withoutOrigin, "without-origin", "what happens to answers to requests without an Origin: strip removes the upstream's CORS headers and adds Vary")
	flags.StringSliceVar(&c.ManagedHosts, "managed-host", nil, "`HOST` to which --without-origin strip applies, repeatable; all by default")
	flags.Var(f.fail, "fail", "what happens if corsgate does not answer")
	flags.BoolVar(&c.RouteName, "route-name", false, "send the route's name too, for corsgate's decision log")
	flags.BoolVar(&c.AllowCustomMethods, "allow-custom-methods", false, "let methods through over HTTP/1 that Envoy does not know; Envoy warns about it at every start")
	flags.BoolVar(&c.MergeSlashes, "merge-slashes", false, "let routes and the upstream see one slash instead of several; decisions are the same without it")
	flags.DurationVar(&c.MessageTimeout, "message-timeout", envoy.DefaultMessageTimeout, "how long Envoy waits for an answer")
	flags.StringVar(&f.policies, "policies", "", "no-trip: `PATH` of the policy file or folder, or the URL of a store, to compile")
	flags.StringVar(&f.out, "out", "", "no-trip: `DIR` to write into")
	flags.StringVar(&c.Compiled.Folder, "folder", "", "no-trip: `DIR` where Envoy sees what is written into --out; by default the same")
	flags.BoolVar(&f.ecds, "ecds", false, "no-trip: have 'corsgate serve --ecds' compile the policies and deliver them; the default without --policies, --out and --folder")
	_ = flags.SetAnnotation("ecds", withoutVariables, []string{"the variable is for serve, and this Envoy may read files"})
	f.compile.define(cmd)
	f.target.define(flags)
	flags.Var(&f.feed, "feed", "no-trip: report to 'corsgate serve --feed' what Envoy decides by itself, or `PERCENT` of it, as in --feed=0.5%")
	flags.Lookup("feed").NoOptDefVal = "100%"
	_ = flags.SetAnnotation("feed", withoutVariables, []string{"the variable is for serve, where it has no percentage"})
	flags.BoolVar(&f.stats, "decision-stats", false, "no-trip: have Envoy's own statistics count decisions by policy and reason")
}

// noTrip reports whether policies are compiled.
func (f *envoyConfigFlags) noTrip() bool { return f.profile.value == string(envoy.NoTrip) }

// chooseECDS lets the service deliver the compiled policies, unless the flags are
// about files. A variable for --policies does not count: it is for serve.
func (f *envoyConfigFlags) chooseECDS(flags *pflag.FlagSet) {
	files := f.out != "" || f.config.Compiled.Folder != "" || isSaid(flags, "policies")
	f.ecds = f.ecds || f.noTrip() && !files
}

// hasService reports whether there is a service to ask. In no-trip it must be named.
func (f *envoyConfigFlags) hasService(flags *pflag.FlagSet) bool {
	return f.config.Service != "" && (!f.noTrip() || f.ecds || flags.Changed("service"))
}

// check reports flags that have no effect in the profile, or that exclude each other.
func (f *envoyConfigFlags) check(flags *pflag.FlagSet) error {
	if err := f.target.check(flags, f.format); err != nil {
		return err
	}
	if !f.noTrip() {
		return misplaced(flags, append([]string{"policies", "out", "folder", "ecds", "feed", "decision-stats"}, compileFlagNames...),
			"is only for the profile no-trip", "leave it out, or leave --profile out")
	}
	if err := misplaced(flags, []string{"match-by", "without-origin", "managed-host"}, "has no use in no-trip",
		"leave it out: the compiled filter matches by itself, and knows the policies' hosts; or choose another profile, such as --profile one-trip"); err != nil {
		return err
	}
	if err := f.compile.check(); err != nil {
		return err
	}
	if !f.hasService(flags) {
		if err := misplaced(flags, []string{"fail", "message-timeout", "route-name", "feed"}, "is about the service, and there is none",
			"name the service with --service ADDRESS, or leave this out"); err != nil {
			return err
		}
	}
	return f.checkFolders(flags)
}

// checkFolders reports what is missing to write the filters, or to say where they are.
func (f *envoyConfigFlags) checkFolders(flags *pflag.FlagSet) error {
	switch {
	case f.target.isMeant(f.format) && !f.ecds:
		return nil // the object has the filter
	case f.ecds:
		return misplaced(flags, []string{"policies", "out", "folder", "no-trip-budget"}, "is about what corsgate serve compiles",
			"leave it out, and run 'corsgate serve --ecds' with --policies and --no-trip-budget; or have files written with --policies PATH --out DIR, without --ecds")
	case f.out != "" && f.policies == "":
		return misused("name the policy file or folder with --policies PATH", "no --policies given")
	case f.out == "" && f.only.value == "":
		return misused("name the folder to write into with --out DIR, or print what to paste with --only filters --folder DIR", "no --out given")
	case f.out == "" && f.config.Compiled.Folder == "":
		return misused("name the folder where Envoy finds the compiled policies with --folder DIR, or have them written with --policies PATH --out DIR", "no --folder given")
	case f.out == "":
		return misplaced(flags, []string{"policies"}, "needs a folder to compile into", "name the folder to write into with --out DIR")
	}
	return nil
}

// envoy returns the Envoy that the flags describe.
func (f *envoyConfigFlags) envoy(flags *pflag.FlagSet) (envoy.Config, error) {
	c := f.config
	c.Profile = envoy.Profile(f.profile.value)
	c.MatchBy = envoy.MatchBy(f.matchBy.value)
	c.WithoutOrigin = envoy.WithoutOrigin(f.withoutOrigin.value)
	c.Fail = envoy.FailureMode(f.fail.value)
	if f.only.value == "" && c.Upstream == "" && !f.target.isMeant(f.format) {
		return c, misused("name the application with --upstream HOST:PORT, or print the filters alone with --only filters",
			"no --upstream given")
	}
	if !f.noTrip() {
		return c, nil
	}
	service := f.hasService(flags)
	if !service {
		c.Service = ""
	}
	folder := c.Compiled.Folder
	c.Compiled = f.compile.compiled(flags, service)
	c.Compiled.Feed, c.Compiled.Stats = uint32(f.feed), f.stats
	c.Compiled.ECDS = f.ecds
	c.Compiled.Inline = f.target.isMeant(f.format) && !f.ecds
	if f.ecds || c.Compiled.Inline {
		return c, nil
	}
	var err error
	if c.Compiled.Folder = folder; folder == "" {
		c.Compiled.Folder, err = filepath.Abs(f.out)
	}
	return c, err
}

// print prints what the flags ask for.
func (f *envoyConfigFlags) print(cmd *cobra.Command, c envoy.Config) error {
	doc, err := f.printer(c)()
	if err != nil {
		return asFault(err, exitUsage, "see 'corsgate envoy-config --help'")
	}
	_, err = cmd.OutOrStdout().Write(doc)
	return err
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

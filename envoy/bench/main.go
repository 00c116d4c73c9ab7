package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/corsgate/corsgate/envoy"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	found, err := play(ctx, os.Args[1:])
	if !found {
		err = run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// options are what the command line says.
type options struct {
	parts    []string
	rounds   int
	quick    bool
	out      string
	corsgate string
}

// part is a part of the benchmark that can be asked for alone.
type part struct {
	name string
	run  func(*bench, context.Context) error
}

// allParts are all parts in their order.
func allParts() []part {
	return []part{
		{"decide", (*bench).decide},             // decisions, in one process
		{"service", (*bench).service},           // the service alone
		{"instructions", (*bench).instructions}, // Envoy's, by callgrind
		{"envoy", (*bench).envoy},               // through a real Envoy
		{"load", (*bench).load},                 // how Envoy reads compiled policies
		{"push", (*bench).push},                 // how policies are delivered to an Envoy under load
		{"fleet", (*bench).fleet},               // how policies come from a store to many
		{"console", (*bench).console},           // pages that watch decisions
		{"left", (*bench).left},                 // what is left in Envoy, by leaving out
		{"vary", (*bench).vary},                 // ways to merge Vary in Envoy
		{"growth", (*bench).growth},             // cost against size
		{"runtime", (*bench).runtime},           // the Go runtime's settings
	}
}

func partNames() []string {
	var names []string
	for _, p := range allParts() {
		names = append(names, p.name)
	}
	return names
}

func parseOptions(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	names := flags.String("parts", strings.Join(partNames(), ","), "`LIST` of the parts to run")
	flags.IntVar(&o.rounds, "rounds", 15, "how often everything is measured, 5 or more for numbers to show")
	flags.BoolVar(&o.quick, "quick", false, "one short round, to see that it works")
	flags.StringVar(&o.out, "out", "", "`FOLDER` to write results.md and plots/ into; empty means nowhere")
	flags.StringVar(&o.corsgate, "corsgate", "", "`PATH` of the corsgate to measure; empty means to build that of this repository")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	o.parts = strings.Split(*names, ",")
	for _, name := range o.parts {
		if !slices.Contains(partNames(), name) {
			return o, fmt.Errorf("no part %q: the parts are %s", name, strings.Join(partNames(), ", "))
		}
	}
	if o.quick {
		o.rounds = 1
	}
	if o.rounds < 1 {
		return o, fmt.Errorf("%d rounds measure nothing: write 5 or more", o.rounds)
	}
	return o, nil
}

// run measures what args say. It prints the report to stdout, and its progress to
// stderr.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	o, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	if o.out != "" { // it is too late after the measurements
		if err := os.MkdirAll(filepath.Join(o.out, plots), 0o755); err != nil {
			return fmt.Errorf("make the folder for the report: %w", err)
		}
	}
	b, err := newBench(ctx, o, stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	begin := time.Now()
	for _, p := range allParts() {
		if !slices.Contains(o.parts, p.name) {
			continue
		}
		fmt.Fprintf(stderr, "[%3.0fs] %s\n", time.Since(begin).Seconds(), p.name)
		if err := p.run(b, ctx); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	fmt.Fprintf(stderr, "[%3.0fs] done\n", time.Since(begin).Seconds())
	if o.out != "" {
		if err := b.report.write(o.out, o.rounds); err != nil {
			return err
		}
	}
	return b.report.markdown(stdout, o.rounds)
}

// bench is one run of the benchmark.
type bench struct {
	options
	report                   report
	folder                   string // for what is written on the way
	binary                   string // Envoy's
	callgrind                string // runs it under callgrind
	policies                 string
	upstream                 *process
	corsgateTCP, corsgateUDS *process
	noopTCP, noopUDS         *process
	// counts are Envoy's instructions for a request, and costs the CPU time, both by
	// costName. The table compared shows both.
	counts   map[string]float64
	costs    map[string][]cost
	compared *section
}

// newBench starts what more than one part needs.
func newBench(ctx context.Context, o options, progress io.Writer) (_ *bench, err error) {
	b := &bench{options: o, report: report{busy: loadAverage()}}
	if b.folder, err = os.MkdirTemp("", "corsgate-bench-*"); err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	if err := b.begin(ctx, progress); err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

func (b *bench) begin(ctx context.Context, progress io.Writer) (err error) {
	if b.binary, err = envoy.Find(ctx, progress); err != nil {
		return err
	}
	if slices.Contains(b.parts, "fleet") {
		if err := checkEtcd(); err != nil {
			return err
		}
	}
	if slices.Contains(b.parts, "instructions") {
		if b.callgrind, err = writeCallgrind(b.folder, b.binary); err != nil {
			return err
		}
	}
	if b.corsgate == "" {
		if b.corsgate, err = buildCorsgate(ctx, b.folder); err != nil {
			return err
		}
	}
	if b.policies, err = writePolicies(b.folder); err != nil {
		return err
	}
	if b.upstream, err = start(ctx, "play-upstream", nil); err != nil {
		return err
	}
	return b.startServices(ctx)
}

// startServices starts corsgate and the no-op server, each once on a TCP and once on a
// Unix socket: a process listens on one socket only.
func (b *bench) startServices(ctx context.Context) (err error) {
	if b.corsgateTCP, err = startCorsgate(ctx, b.corsgate, b.policies, "127.0.0.1:0", "CORSGATE_FEED=true"); err != nil {
		return err
	}
	if b.corsgateUDS, err = startCorsgate(ctx, b.corsgate, b.policies, b.socket("corsgate")); err != nil {
		return err
	}
	if b.noopTCP, err = start(ctx, "play-noop", listenJob{Listen: "127.0.0.1:0"}); err != nil {
		return err
	}
	b.noopUDS, err = start(ctx, "play-noop", listenJob{Listen: b.socket("noop")})
	return err
}

func (b *bench) socket(name string) string { return "unix://" + b.folder + "/" + name + ".sock" }

// close ends every process and removes the folder.
func (b *bench) close() error {
	var errs []error
	for _, p := range []*process{b.corsgateTCP, b.corsgateUDS, b.noopTCP, b.noopUDS, b.upstream} {
		if p != nil {
			errs = append(errs, p.stop())
		}
	}
	return errors.Join(append(errs, os.RemoveAll(b.folder))...)
}

// slowRounds is how often a slow measurement is made.
const slowRounds = 5

// fewRounds returns the rounds of slow measurements.
func (b *bench) fewRounds() int { return min(b.rounds, slowRounds) }

// pick returns the second value in a quick run, else the first.
func pick[T any](b *bench, whole, quick T) T {
	if b.quick {
		return quick
	}
	return whole
}

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"github.com/corsgate/corsgate/policy/printable"
	"github.com/corsgate/corsgate/server/admin/console"
	"github.com/corsgate/corsgate/server/ecds"
	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/service"
	"github.com/corsgate/corsgate/server/state"
	"github.com/corsgate/corsgate/server/store"
)

// instanceFlags are what the flags of serve say of the instance that it is of a fleet.
type instanceFlags struct {
	name   string
	labels labels
}

// define defines the flags.
func (f *instanceFlags) define(flags *pflag.FlagSet) {
	flags.StringVar(&f.name, "instance", "", "with a store: `NAME` of this instance in 'corsgate status', unique in the fleet; the host's name and the port of --grpc-listen by default")
	flags.Var(&f.labels, "label", "with a store: `KEY=VALUE` that says where this instance is, repeatable")
}

// instanceName is what an instance may be called.
var instanceName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,252}$`)

// checkInstance reports what says where an instance is, and is told to nobody.
func (c *serveConfig) checkInstance() error {
	switch name := c.instance.name; {
	case !isURL(c.policies) && (name != "" || len(c.instance.labels) > 0):
		return misused("leave them out, or name a store: --policies "+storeURLs, "--instance and --label are told to a store, and %s is not the URL of one", printable.Name(c.policies))
	case name != "" && !instanceName.MatchString(name):
		return misused("write up to 253 letters, digits, dots, hyphens, colons and underscores, such as gw-1", "--instance %s is not the name of an instance", printable.Value(name))
	}
	return nil
}

// open returns the source of the policies. If that is a store, s gets it, and it has to go
// on from what was kept, if anything was.
func (c *serveConfig) open(s *wired, kept *state.Dir, log *slog.Logger) (live.Source, error) {
	if !isURL(c.policies) {
		return fileSource(c.policies, c.poll, c.stateDir != "", log), nil
	}
	var err error
	if s.store, err = openStore(c.policies, c.access); err != nil {
		return nil, err
	}
	source := storeSource(c.policies, s.store, log)
	if kept != nil {
		source.Served, source.Lost, source.OnLost = kept.Served(), kept.Lost(), kept.NoteLost
	}
	return source, nil
}

// reportTo has the instance tell a store how it stands.
func (s *wired) reportTo(b store.Backend, f *instanceFlags, config *service.Config, log *slog.Logger) {
	refusals := &lastRefusal{}
	config.Watchers, config.Codes = append(config.Watchers, refusals), store.Codes()
	name := cmp.Or(f.name, nameOf(s.grpc.Listener.Addr()))
	config.Instance = name
	config.Fleet = func(ctx context.Context) (console.Fleet, error) { return fleetOf(ctx, b) }
	s.reporter = &store.Reporter{
		Backend: b,
		Report:  func() store.Instance { return s.describe(name, f.labels, refusals.code()) },
		Failed: func(err error) {
			if err == nil {
				log.Info("the store is told again how this instance stands")
				return
			}
			log.Warn("the store was not told how this instance stands, trying again", "error", err)
		},
		Sharing: func() {
			log.Error("another process reports itself to the store by the name of this one, and 'corsgate status' shows one of them alone: give each an --instance of its own", "instance", name)
		},
	}
}

// fleetOf returns how the instances of a store stand, for the console.
func fleetOf(ctx context.Context, b store.Backend) (console.Fleet, error) {
	r, err := (&statusFlags{}).look(ctx, b)
	if err != nil {
		return console.Fleet{}, err
	}
	f := console.Fleet{Damaged: r.Damaged, Instances: []console.Instance{}}
	if r.Release != nil {
		f.Revision, f.At, f.By, f.Message = r.Release.Revision, r.Release.At, r.Release.By, r.Release.Message
	}
	for _, i := range r.Instances {
		f.Instances = append(f.Instances, console.Instance{
			Name: i.Name, Revision: i.Serves.Revision, Serves: i.ServesWanted, Standing: i.standing(), Details: i.details(),
		})
	}
	return f, nil
}

// describe returns what the instance reports of itself.
func (s *wired) describe(name string, where labels, refused string) store.Instance {
	status := s.Reloader.Status()
	i := store.Instance{
		Name: name, Labels: where, Version: status.Version,
		Serves: status.Release, Ready: s.grpc.Ready(), Refused: refused,
		LastKnownGood: status.ServedFrom == live.FromState,
	}
	if s.ecds == nil {
		return i
	}
	i.Envoys = map[string]int{}
	for _, state := range ecds.States() {
		if n := s.ecds.Count(state); n > 0 {
			i.Envoys[string(state)] = n
		}
	}
	return i
}

// Run runs the service until ctx ends, and tells the store meanwhile.
func (s *wired) Run(ctx context.Context) error {
	if s.store == nil {
		return s.Service.Run(ctx)
	}
	g, reporting := errgroup.WithContext(ctx)
	g.Go(func() error { return s.reporter.Run(reporting) }) // ends if the service fails, too
	g.Go(func() error { return s.Service.Run(ctx) })
	return errors.Join(g.Wait(), s.closeStore())
}

// Close closes what was built and is not run.
func (s *wired) Close() error { return errors.Join(s.Service.Close(), s.closeStore()) }

func (s *wired) closeStore() error {
	if s.store == nil {
		return nil
	}
	return s.store.Close()
}

// lastRefusal remembers why the last load was refused. It is safe for concurrent use.
type lastRefusal struct{ last atomic.Pointer[string] }

// Loading implements live.Watcher.
func (r *lastRefusal) Loading() (loaded func(live.Load)) {
	return func(l live.Load) {
		if l.Cut {
			return
		}
		code := ""
		if refused, ok := errors.AsType[*live.LoadError](l.Err); ok {
			code = refused.Code()
		}
		r.last.Store(&code)
	}
}

// code returns the code of the refusal, or "".
func (r *lastRefusal) code() string {
	if code := r.last.Load(); code != nil {
		return *code
	}
	return ""
}

// nameOf returns a name for who listens at an address: the same after a restart, and
// another one than that of who listens beside it.
func nameOf(listener net.Addr) string {
	host, err := os.Hostname()
	if err != nil {
		host = "corsgate"
	}
	place := listener.String()
	if _, port, err := net.SplitHostPort(place); err == nil {
		place = port
	}
	name := strings.TrimLeft(unnamed.ReplaceAllString(host+":"+strings.Trim(place, "@/"), "-"), "._:-")
	return name[:min(len(name), 253)]
}

// unnamed is what no name of an instance has.
var unnamed = regexp.MustCompile(`[^A-Za-z0-9._:-]+`)

// labels is a flag that takes KEY=VALUE and may be repeated.
type labels map[string]string

// labelKey is what the key of a label is.
var labelKey = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$`)

// String returns the labels.
func (l *labels) String() string {
	var texts []string
	for _, key := range slices.Sorted(maps.Keys(*l)) {
		texts = append(texts, key+"="+(*l)[key])
	}
	return strings.Join(texts, ",")
}

// Type returns the flag's placeholder in the help.
func (l *labels) Type() string { return "KEY=VALUE" }

// Set adds labels.
func (l *labels) Set(text string) error {
	for one := range strings.SplitSeq(text, ",") {
		key, value, found := strings.Cut(one, "=")
		if !found || !labelKey.MatchString(key) || len(value) > 253 || !printable.IsPlain(value) {
			return errors.New("want KEY=VALUE, such as zone=eu")
		}
		if other, twice := (*l)[key]; twice && other != value {
			return fmt.Errorf("the label %s has the values %s and %s: give one of them", key, other, value)
		}
		if *l == nil {
			*l = labels{}
		}
		(*l)[key] = value
	}
	return nil
}

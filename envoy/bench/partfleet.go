package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing/fstest"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/corsgate/corsgate/envoy/bench/plot"
	"github.com/corsgate/corsgate/envoy/bench/sample"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/source/etcd"
	"github.com/corsgate/corsgate/server/store"
)

// fanOut is how long it took from pushes to watchers, in milliseconds.
type fanOut struct {
	watchers     int
	acknowledged []float64 // for each push
	read         []float64 // for each push and each watcher
}

// largeFleet is how long it took from pushes of large content to one instance, in
// milliseconds.
type largeFleet struct {
	first                          float64   // the push of all
	acknowledged, served, answered []float64 // for each change
	cold, kept                     []float64 // for each start, from the store and without it
}

// largePolicies returns how many policies the large content has, of perPolicy origins each.
func (b *bench) largePolicies() int { return pick(b, 10_000, 100) }

// fleet measures how releases come from an etcd to those who follow it.
func (b *bench) fleet(ctx context.Context) (err error) {
	folder, err := b.makeFolder("etcd")
	if err != nil {
		return err
	}
	c, err := startCluster(ctx, folder)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	var byCount []fanOut
	for _, n := range pick(b, []int{1, 10, 100, 1000}, []int{1, 5}) {
		f, err := b.fanOutTo(ctx, c.url(fmt.Sprintf("watched-by-%d", n)), n)
		if err != nil {
			return fmt.Errorf("%d watchers: %w", n, err)
		}
		byCount = append(byCount, f)
	}
	large, err := b.measureLarge(ctx, c)
	if err != nil {
		return err
	}
	b.showFleet(byCount, large)
	return nil
}

// changesOf is how often a policy is changed.
func (b *bench) changesOf() int { return pick(b, 50, 2) }

// fanOutTo changes one small policy again and again.
func (b *bench) fanOutTo(ctx context.Context, url string, n int) (f fanOut, err error) {
	backend, err := etcd.Open(etcd.Config{URL: url})
	if err != nil {
		return f, err
	}
	defer backend.Close()
	f.watchers = n
	if _, _, err := pushChange(ctx, backend, nil, 0); err != nil {
		return f, err
	}
	watchers, err := start(ctx, "play-watch", watchJob{URL: url, Watchers: n})
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, watchers.stop()) }()
	for k := range b.changesOf() {
		begin := time.Now()
		revision, took, err := pushChange(ctx, backend, nil, k+1)
		if err != nil {
			return f, err
		}
		f.acknowledged = append(f.acknowledged, milliseconds(took))
		var times []int64
		if err := watchers.askJSON(strconv.FormatUint(revision, 10), &times); err != nil {
			return f, err
		}
		for _, at := range times {
			f.read = append(f.read, milliseconds(time.Unix(0, at).Sub(begin)))
		}
	}
	return f, nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// pushChange pushes units with another policy of apiHost, which allows the origin of
// that number besides its own. It returns how long the push took.
func pushChange(ctx context.Context, b store.Backend, units []policyfile.Unit, number int) (revision uint64, took time.Duration, err error) {
	changed, err := changedUnit(units, number)
	if err != nil {
		return 0, 0, err
	}
	begin := time.Now()
	p, err := store.Push(ctx, b, changed, store.Meta{By: "bench"})
	return p.Revision, time.Since(begin), errors.Join(err, p.Checkpoint)
}

// changedUnit returns units with the policy that pushChange says.
func changedUnit(units []policyfile.Unit, number int) ([]policyfile.Unit, error) {
	spec := apiSpec([]string{originOf(allowed), numberedOrigin(number)})
	spec.Name = changedPolicy
	cut, err := cutSpecs([]policy.Spec{spec})
	if err != nil {
		return nil, err
	}
	rest := slices.DeleteFunc(slices.Clone(units), func(u policyfile.Unit) bool { return u.Name == changedPolicy })
	return append(rest, cut...), nil
}

// changedPolicy is the name of the policy of apiHost in a fleet.
const changedPolicy = "changed"

func numberedOrigin(number int) string { return fmt.Sprintf("https://added-%d.example.com", number) }

// cutSpecs cuts policies into units.
func cutSpecs(specs []policy.Spec) ([]policyfile.Unit, error) {
	folder := fstest.MapFS{}
	for i, part := range slices.Collect(slices.Chunk(specs, perFile)) {
		text, err := json.Marshal(object{"policies": part})
		if err != nil {
			return nil, fmt.Errorf("write the policies: %w", err)
		}
		folder[fileName(i)] = &fstest.MapFile{Data: text}
	}
	units, res, err := store.Cut(folder, "")
	if err == nil && res.HasErrors() {
		err = errors.New(res.Diagnostics[0].String())
	}
	return units, err
}

// measureLarge has one instance and its Envoy follow large content, of which one policy
// changes, and starts instances of it. Then the store is away.
func (b *bench) measureLarge(ctx context.Context, c *cluster) (l largeFleet, err error) {
	url := c.url("large")
	backend, err := etcd.Open(etcd.Config{URL: url})
	if err != nil {
		return l, err
	}
	defer backend.Close()
	specs := tenants(b.largePolicies())
	i := slices.IndexFunc(specs, func(s policy.Spec) bool { return s.Hosts[0] == apiHost })
	specs[i].Name = changedPolicy
	units, err := cutSpecs(specs)
	if err != nil {
		return l, err
	}
	_, took, err := pushChange(ctx, backend, units, 0)
	if err != nil {
		return l, err
	}
	l.first = milliseconds(took)
	if err := b.followLarge(ctx, url, &l, func(number int) (uint64, time.Duration, error) {
		return pushChange(ctx, backend, units, number)
	}); err != nil {
		return l, err
	}
	return l, b.startLarge(ctx, c, &l)
}

// followLarge measures changes.
func (b *bench) followLarge(ctx context.Context, url string, l *largeFleet, push func(number int) (uint64, time.Duration, error)) (err error) {
	service, err := b.startInstance(ctx, url, "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, service.stop()) }()
	f, err := b.startDelivered(ctx, service, pushShards)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.stop()) }()
	for k := range b.changesOf() {
		begin := time.Now()
		revision, took, err := push(k + 1)
		if err != nil {
			return err
		}
		served, answered, err := awaitChange(ctx, service, f, revision, k+1)
		if err != nil {
			return err
		}
		l.acknowledged = append(l.acknowledged, milliseconds(took))
		l.served = append(l.served, milliseconds(served.Sub(begin)))
		l.answered = append(l.answered, milliseconds(answered.Sub(begin)))
	}
	return nil
}

// startInstance starts a corsgate that follows a store, and keeps its state in a folder if
// that is not empty.
func (b *bench) startInstance(ctx context.Context, url, state string) (*process, error) {
	return startCorsgate(ctx, b.corsgate, url, "127.0.0.1:0", "CORSGATE_ECDS=true", "CORSGATE_NO_TRIP_BUDGET=1GiB", "CORSGATE_STATE_DIR="+state)
}

// awaitChange waits until an instance serves a revision, and until its Envoy allows the
// origin of that number, and returns when they did.
func awaitChange(ctx context.Context, service *process, f *front, revision uint64, number int) (served, answered time.Time, err error) {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		err := await(ctx, "the release", probeEvery, func(ctx context.Context) bool {
			s, err := statusOf(ctx, service)
			return err == nil && s.Release.Revision == revision
		})
		served = time.Now()
		return err
	})
	g.Go(func() error {
		err := awaitAnswer(ctx, f.address, preflightOf(numberedOrigin(number)).request(), preflight.upstreamStatus, probeEvery)
		answered = time.Now()
		return err
	})
	err = g.Wait()
	return served, answered, err
}

// statusOf reads the status of a corsgate.
func statusOf(ctx context.Context, service *process) (s live.Status, err error) {
	text, err := get(ctx, "http://"+service.admin+"/status")
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(text, &s)
}

// startLarge measures starts: of instances that have nothing, and, once the store is away,
// of one that has its state.
func (b *bench) startLarge(ctx context.Context, c *cluster, l *largeFleet) error {
	rounds := min(b.rounds, pushRounds)
	url, state := c.url("large"), ""
	for range rounds {
		var err error
		if state, err = b.makeFolder("state"); err != nil {
			return err
		}
		if err := os.Chmod(state, 0o700); err != nil {
			return err
		}
		took, err := b.timeStart(ctx, url, state)
		if err != nil {
			return err
		}
		l.cold = append(l.cold, took)
	}
	if err := c.stop(); err != nil {
		return err
	}
	for range rounds {
		took, err := b.timeStart(ctx, url, state)
		if err != nil {
			return err
		}
		l.kept = append(l.kept, took)
	}
	return nil
}

// timeStart starts an instance, and ends it when it is ready and has written its state.
func (b *bench) timeStart(ctx context.Context, url, state string) (took float64, err error) {
	begin := time.Now()
	service, err := b.startInstance(ctx, url, state)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, service.stop()) }()
	if err := awaitOK(ctx, "http://"+service.admin+"/readyz"); err != nil {
		return 0, err
	}
	took = milliseconds(time.Since(begin))
	return took, await(ctx, "the state", probeEvery, func(ctx context.Context) bool {
		s, err := statusOf(ctx, service)
		return err == nil && !s.StateAt.IsZero()
	})
}

// showFleet shows all of it.
func (b *bench) showFleet(byCount []fanOut, l largeFleet) {
	about := fmt.Sprintf("An etcd of %d members, those who push and those who follow, all on this machine; the times are from the begin of a push. "+
		"An instance follows the store by a watcher. Each has its own connections, and reads and judges each release, which has one policy. "+
		"The large content is %s with %s origins, of which one policy changes; one corsgate and its Envoy follow. %d changes each; starts are %d each.",
		etcdMembers, policyCount(b.largePolicies()), grouped(b.largePolicies()*perPolicy), b.changesOf(), min(b.rounds, pushRounds))
	s := b.report.section("A fleet", about, "what", "p50", "p99")
	row := func(what string, values []float64) {
		s.row(what, number(sample.Median(values))+" ms", number(sample.Quantile(values, 0.99))+" ms")
	}
	for _, f := range byCount {
		row("told and read, watchers: "+grouped(f.watchers), f.read)
		row("the push is acknowledged, watchers: "+grouped(f.watchers), f.acknowledged)
	}
	row("large content: the first push is acknowledged", []float64{l.first})
	row("large content: a change is acknowledged", l.acknowledged)
	row("large content: a change is served", l.served)
	row("large content: Envoy's answer has changed", l.answered)
	row("large content: an instance without state is ready", l.cold)
	row("large content: an instance is ready from its state, without the store", l.kept)
	line := func(name string, part float64) plot.Series {
		series := plot.Series{Name: name}
		for _, f := range byCount {
			series.Points = append(series.Points, plot.Point{X: float64(f.watchers), Y: sample.Quantile(f.read, part)})
		}
		return series
	}
	b.report.chart("fleet.svg", plot.Chart{
		Title: "From a push until watchers have read it", X: plot.Axis{Label: "watchers", Log: true}, Y: plot.Axis{Label: "ms", Log: true},
		Series: []plot.Series{line("p50", 0.5), line("p99", 0.99)},
	})
}

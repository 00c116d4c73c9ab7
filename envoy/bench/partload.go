package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/bench/plot"
	"github.com/corsgate/corsgate/envoy/bench/sample"
	"github.com/corsgate/corsgate/envoy/notrip"
	"github.com/corsgate/corsgate/policy"
)

// reading is the cost of Envoy to read filters that have changed.
type reading struct {
	bytes  float64 // of the filters
	cpu    float64 // seconds, until they serve
	memory float64 // bytes, more than before
}

// readings are the costs of a whole set, and of the set with one more origin.
type readings struct{ whole, change reading }

// compiledSet is a set of policies to compile.
type compiledSet struct {
	name  string
	count int // of origins or policies
	how   envoy.Compiled
	specs []policy.Spec // the one for apiHost allows the origin of preflight
}

// byOrigins and byPolicies are larger and larger sets.
func (b *bench) byOrigins() (list []compiledSet) {
	for _, n := range pick(b, []int{10, 100, 1000, 10_000, 100_000}, []int{10, 100}) {
		list = append(list, compiledSet{grouped(n) + " origins in one policy", n, envoy.Compiled{}, []policy.Spec{apiSpec(manyOrigins(n))}})
	}
	return list
}

func (b *bench) byPolicies() (list []compiledSet) {
	for _, n := range pick(b, []int{1, 10, 100, 1000}, []int{1, 10}) {
		list = append(list, compiledSet{policyCount(n) + " of 10 origins", n, envoy.Compiled{}, apiSpecs(n)})
	}
	return list
}

// load measures how Envoy reads compiled policies.
func (b *bench) load(ctx context.Context) error {
	byOrigins, byPolicies := b.byOrigins(), b.byPolicies()
	last := byPolicies[len(byPolicies)-1]
	last.name, last.how.Shards = last.name+" in 16 shards", 16
	all := slices.Concat(byOrigins, byPolicies, []compiledSet{last})
	var cases []sample.Case[readings]
	for _, set := range all {
		cases = append(cases, sample.Case[readings]{Name: set.name, Run: func(ctx context.Context) (readings, error) { return b.read(ctx, set) }})
	}
	byName, err := measure(ctx, b.fewRounds(), cases)
	if err != nil {
		return err
	}
	b.showLoad(all, byName)
	b.plotLoad(byOrigins, byPolicies, byName)
	return nil
}

// read measures one set, in an Envoy that had a small one before.
func (b *bench) read(ctx context.Context, set compiledSet) (r readings, err error) {
	c := b.noTrip("read "+set.name, set.how)
	before, err := compileFor(c, apiSpec([]string{"https://before.example.com"}))
	if err != nil {
		return r, err
	}
	if err := envoy.WriteFilters(c.Compiled.Folder, before); err != nil {
		return r, err
	}
	f, err := startGenerated(ctx, b.binary, c)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, f.stop()) }()
	whole, err := compileFor(c, set.specs...)
	if err != nil {
		return r, err
	}
	if r.whole, err = f.read(ctx, c, before, whole, preflight); err != nil {
		return r, err
	}
	change, err := compileFor(c, withOrigin(set.specs, added)...)
	if err != nil {
		return r, err
	}
	r.change, err = f.read(ctx, c, whole, change, preflightOf(added))
	return r, err
}

// withOrigin returns specs with one more origin in that of apiHost.
func withOrigin(specs []policy.Spec, origin string) []policy.Spec {
	changed := slices.Clone(specs)
	i := slices.IndexFunc(changed, func(s policy.Spec) bool { return s.Hosts[0] == apiHost })
	changed[i].CORS.AllowOrigins = append(slices.Clone(changed[i].CORS.AllowOrigins), origin)
	return changed
}

// read writes the filters that have changed, and waits until they serve, which is when
// the requests of k, which were denied, are allowed.
func (f *front) read(ctx context.Context, c envoy.Config, before, after *notrip.Result, k kind) (r reading, err error) {
	for i, resource := range after.Resources {
		if resource.Version != before.Resources[i].Version {
			r.bytes += float64(len(resource.Filter.GetValue()))
		}
	}
	memory, err := residentBytes(f.pid)
	if err != nil {
		return r, err
	}
	took, err := cpuWhile(f.pid, func() error {
		if err := envoy.WriteFilters(c.Compiled.Folder, after); err != nil {
			return err
		}
		if err := awaitAnswer(ctx, f.address, k.request(), k.upstreamStatus, askEvery); err != nil {
			return err
		}
		time.Sleep(goOn)
		return nil
	})
	if err != nil {
		return r, err
	}
	memoryAfter, err := residentBytes(f.pid)
	r.cpu, r.memory = took.Seconds(), memoryAfter-memory
	return r, err
}

// goOn is how long Envoy may still work to remove what it has replaced.
const goOn = 200 * time.Millisecond

const (
	mega = 1e6
	mebi = 1 << 20
)

// showLoad shows every set.
func (b *bench) showLoad(all []compiledSet, byName map[string][]readings) {
	s := b.report.section("Compiled policies", "The size of the filters of no-trip, Envoy's CPU time from when they are written until they serve, and how much more memory it has then; and the same for one more origin.",
		"policies", "filters", "CPU", "memory", "one more origin: filters", "CPU", "memory")
	for _, set := range all {
		list := byName[set.name]
		cells := []string{set.name}
		for _, of := range []func(readings) reading{readings.ofWhole, readings.ofChange} {
			median := func(number func(reading) float64) float64 {
				return medianOf(list, func(r readings) float64 { return number(of(r)) })
			}
			cells = append(cells, number(median(reading.megabytes))+" MB", number(median(reading.seconds))+" s", number(median(reading.mebibytes))+" MiB")
		}
		s.row(cells...)
	}
}

func (r readings) ofWhole() reading  { return r.whole }
func (r readings) ofChange() reading { return r.change }

func (r reading) megabytes() float64 { return r.bytes / mega }
func (r reading) seconds() float64   { return r.cpu }
func (r reading) mebibytes() float64 { return r.memory / mebi }

// plotLoad draws size, CPU time and memory against the number of origins and of policies.
func (b *bench) plotLoad(byOrigins, byPolicies []compiledSet, byName map[string][]readings) {
	line := func(name string, sets []compiledSet, of func(reading) float64) plot.Series {
		s := plot.Series{Name: name}
		for _, set := range sets {
			s.Points = append(s.Points, plot.Point{X: float64(set.count), Y: medianOf(byName[set.name], func(r readings) float64 { return of(r.whole) })})
		}
		return s
	}
	for _, c := range []struct {
		file, title, unit string
		log               bool
		of                func(reading) float64
	}{
		{"compiled-size.svg", "Size of compiled policies", "MB", true, reading.megabytes},
		{"compiled-load.svg", "Envoy's CPU until compiled policies serve", "CPU seconds", true, reading.seconds},
		{"compiled-memory.svg", "Envoy's memory for compiled policies", "MiB more than before", false, func(r reading) float64 { return max(0, r.mebibytes()) }},
	} {
		b.report.chart(c.file, plot.Chart{
			Title: c.title, X: plot.Axis{Label: "origins in one policy, or policies of 10 origins", Log: true}, Y: plot.Axis{Label: c.unit, Log: c.log},
			Series: []plot.Series{line("origins", byOrigins, c.of), line("policies", byPolicies, c.of)},
		})
	}
}

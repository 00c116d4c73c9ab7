package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/bench/plot"
	"github.com/corsgate/corsgate/envoy/bench/sample"
	"github.com/corsgate/corsgate/policy"
)

// pushed is the cost until an Envoy under load serves an edit of the policies.
type pushed struct {
	followed
	bytes           float64 // received by Envoy
	envoy, corsgate float64 // CPU seconds, of Envoy's main thread and of corsgate
	memory          float64 // bytes, Envoy's peak above what it had before
}

func (p pushed) seconds() float64   { return p.Live.Seconds() }
func (p pushed) pause() float64     { return float64(p.Pause) / float64(time.Millisecond) }
func (p pushed) megabytes() float64 { return p.bytes / mega }
func (p pushed) mebibytes() float64 { return p.memory / mebi }

// edit is a change of policies that corsgate delivers.
type edit struct {
	name          string
	count         int // of origins
	shards        int
	before, after []policy.Spec // if after is nil, nothing changes
}

// pushShards is the number of filters if there are many policies.
const pushShards = 64

// perPolicy is how many origins each of many policies lists.
const perPolicy = 100

// added is an origin that an edit adds.
const added = "https://added.example.com"

// wholePushes bring more and more origins at once.
func (b *bench) wholePushes() (list []edit) {
	small := []policy.Spec{apiSpec([]string{originOf(allowed)})}
	for _, n := range pick(b, []int{10, 100, 1000, 10_000, 100_000}, []int{10}) {
		list = append(list, edit{grouped(n) + " origins come", n, 1, small, withOrigin([]policy.Spec{apiSpec(manyOrigins(n))}, added)})
	}
	return list
}

// smallPushes add one origin to more and more.
func (b *bench) smallPushes() (list []edit) {
	for _, n := range pick(b, []int{1000, 10_000, 100_000, 1_000_000}, []int{1000}) {
		specs := tenants(n / perPolicy)
		name := fmt.Sprintf("one origin is added to %s in %s", grouped(n), policyCount(n/perPolicy))
		list = append(list, edit{name, n, pushShards, specs, withOrigin(specs, added)})
	}
	return list
}

// originOf is the origin of a kind's requests.
func originOf(k kind) string {
	line, _, _ := strings.Cut(k.header, "\r\n")
	return strings.TrimPrefix(line, "Origin: ")
}

// tenants are n policies of perPolicy origins, that of the requests in their middle.
func tenants(n int) []policy.Spec {
	specs := benchSpecs(n)
	for i := range specs {
		specs[i].CORS.AllowOrigins = numbered(fmt.Sprintf("https://tenant-%d-%%d.example.com", i), perPolicy)
	}
	specs[n/2].Hosts, specs[n/2].CORS.AllowOrigins[perPolicy/2] = []string{apiHost}, originOf(allowed)
	return specs
}

// push measures edits under load, of policies that corsgate delivers.
func (b *bench) push(ctx context.Context) error {
	whole, small := b.wholePushes(), b.smallPushes()
	nothing := edit{name: "nothing changes", shards: 1, before: whole[0].before}
	all := slices.Concat([]edit{nothing}, whole, small)
	var cases []sample.Case[pushed]
	for _, e := range all {
		cases = append(cases, sample.Case[pushed]{Name: e.name, Run: func(ctx context.Context) (pushed, error) { return b.pushOnce(ctx, e) }})
	}
	byName, err := measure(ctx, min(b.rounds, pushRounds), cases)
	if err != nil {
		return err
	}
	b.showPushes(all, byName)
	b.plotPushes(whole, small, byName)
	return nil
}

// pushRounds is how often an edit is measured: the largest takes a minute.
const pushRounds = 3

// showPushes shows every edit.
func (b *bench) showPushes(all []edit, byName map[string][]pushed) {
	about := fmt.Sprintf("A file of policies is replaced, and corsgate delivers what has changed to an Envoy with one worker that answers %d requests a second meanwhile; all of it on this machine. "+
		"The time is from the edit to the first changed answer; CPU is Envoy's main thread's and corsgate's; memory is the most that Envoy has had more than before; the pause is the longest that a request took. "+
		"Many policies are in %d shards. Medians of %d.", followConnections*int(time.Second/followEvery), pushShards, min(b.rounds, pushRounds))
	s := b.report.section("A push", about, "edit", "until it is served", "sent", "CPU: Envoy", "corsgate", "Envoy's memory", "longest pause")
	for _, e := range all {
		median := func(of func(pushed) float64) string { return number(medianOf(byName[e.name], of)) }
		if e.after == nil {
			s.row(e.name, "", "", "", "", "", median(pushed.pause)+" ms")
			continue
		}
		s.row(e.name, median(pushed.seconds)+" s", median(pushed.megabytes)+" MB", median(func(p pushed) float64 { return p.envoy })+" s",
			median(func(p pushed) float64 { return p.corsgate })+" s", median(pushed.mebibytes)+" MiB", median(pushed.pause)+" ms")
	}
}

// plotPushes draws time, pause, and what is sent against the number of origins.
func (b *bench) plotPushes(whole, small []edit, byName map[string][]pushed) {
	line := func(name string, list []edit, of func(pushed) float64) plot.Series {
		s := plot.Series{Name: name}
		for _, e := range list {
			s.Points = append(s.Points, plot.Point{X: float64(e.count), Y: medianOf(byName[e.name], of)})
		}
		return s
	}
	for _, c := range []struct {
		file, title, unit string
		of                func(pushed) float64
	}{
		{"push-time.svg", "From an edit to Envoy's changed answer", "seconds", pushed.seconds},
		{"push-pause.svg", "The longest pause of a request meanwhile", "ms", pushed.pause},
		{"push-size.svg", "What an edit sends to Envoy", "MB", pushed.megabytes},
	} {
		b.report.chart(c.file, plot.Chart{
			Title: c.title, X: plot.Axis{Label: "origins", Log: true}, Y: plot.Axis{Label: c.unit, Log: true},
			Series: []plot.Series{line("all are new", whole, c.of), line("one is added", small, c.of)},
		})
	}
}

// pushOnce measures an edit, with a corsgate and an Envoy of its own.
func (b *bench) pushOnce(ctx context.Context, e edit) (p pushed, err error) {
	folder, err := os.MkdirTemp(b.folder, "push-*")
	if err != nil {
		return p, fmt.Errorf("make a folder: %w", err)
	}
	if err := writeFiles(folder, e.before); err != nil {
		return p, err
	}
	service, err := startCorsgate(ctx, b.corsgate, folder, "127.0.0.1:0", "CORSGATE_ECDS=true", "CORSGATE_NO_TRIP_BUDGET=1GiB")
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, service.stop()) }()
	f, err := b.startDelivered(ctx, service, e.shards)
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, f.stop()) }()
	job := followJob{Address: f.address, Request: allowed.request(), Status: allowed.upstreamStatus, Probe: preflightOf(added).request(), Live: preflight.upstreamStatus}
	if e.after != nil {
		if job.From, job.To, err = writeEdit(folder, e.after); err != nil {
			return p, err
		}
	}
	return f.follow(ctx, service, job)
}

// preflightOf is a preflight from an origin.
func preflightOf(origin string) kind {
	k := preflight
	k.header = strings.Replace(k.header, originHeader, "Origin: "+origin+"\r\n", 1)
	return k
}

// follow makes the load and the edit, and measures Envoy and corsgate meanwhile.
func (f *front) follow(ctx context.Context, service *process, job followJob) (p pushed, err error) {
	load, err := start(ctx, "play-follow", job)
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, load.stop()) }()
	before, err := f.state(ctx, service.pid)
	if err != nil {
		return p, err
	}
	if err := resetPeak(f.pid); err != nil {
		return p, err
	}
	if err := load.askJSON("go", &p.followed); err != nil {
		return p, err
	}
	time.Sleep(goOn)
	after, err := f.state(ctx, service.pid)
	if err != nil {
		return p, err
	}
	peak, err := peakBytes(f.pid)
	p.bytes, p.memory = after.received-before.received, peak-before.memory
	p.envoy, p.corsgate = (after.main - before.main).Seconds(), (after.service - before.service).Seconds()
	return p, err
}

// followState is what the processes have used so far.
type followState struct {
	received, memory float64
	main, service    time.Duration
}

func (f *front) state(ctx context.Context, service int) (s followState, err error) {
	received, err := f.counter(ctx, `cluster.corsgate.upstream_cx_rx_bytes_total`)
	if err != nil {
		return s, err
	}
	s.received = float64(received)
	if s.memory, err = residentBytes(f.pid); err != nil {
		return s, err
	}
	if s.main, err = threadTime(f.pid, f.pid); err != nil {
		return s, err
	}
	s.service, err = cpuTime(service)
	return s, err
}

// startDelivered starts an Envoy to which a corsgate delivers the policies in that many
// filters, and waits until it has them.
func (b *bench) startDelivered(ctx context.Context, service *process, filters int) (*front, error) {
	f, err := startGenerated(ctx, b.binary, envoy.Config{
		Profile: envoy.NoTrip, Upstream: b.upstream.address, Service: service.address, Compiled: envoy.Compiled{ECDS: true, Shards: filters},
	})
	if err != nil {
		return nil, err
	}
	if err := f.awaitDelivery(ctx, filters); err != nil {
		return nil, errors.Join(err, f.stop())
	}
	return f, nil
}

// awaitDelivery waits until the Envoy has that many filters.
func (f *front) awaitDelivery(ctx context.Context, filters int) error {
	return await(ctx, "the filters", askEvery, func(ctx context.Context) bool {
		text, err := get(ctx, "http://"+f.admin+"/config_dump?resource=ecds_filters&mask=ecds_filter.name")
		return err == nil && strings.Count(string(text), `"name"`) == filters
	})
}

// perFile is how many policies a file has: files have at most 8 MiB.
const perFile = 1000

// writeFiles writes policies as files of a folder.
func writeFiles(folder string, specs []policy.Spec) error {
	for i, part := range slices.Collect(slices.Chunk(specs, perFile)) {
		if err := writeSpecs(filepath.Join(folder, fileName(i)), part); err != nil {
			return err
		}
	}
	return nil
}

// writeEdit writes the file that has changed under another name, and returns both names.
func writeEdit(folder string, after []policy.Spec) (from, to string, err error) {
	i := slices.IndexFunc(after, func(s policy.Spec) bool { return s.Hosts[0] == apiHost }) / perFile
	part := after[i*perFile : min((i+1)*perFile, len(after))]
	from, to = filepath.Join(folder, "edited"), filepath.Join(folder, fileName(i))
	return from, to, writeSpecs(from, part)
}

func fileName(i int) string { return fmt.Sprintf("policies-%d.yaml", i) }

func writeSpecs(path string, specs []policy.Spec) error {
	text, err := json.Marshal(object{"policies": specs})
	if err != nil {
		return fmt.Errorf("write the policies: %w", err)
	}
	return os.WriteFile(path, text, 0o600)
}

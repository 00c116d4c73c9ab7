package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/corsgate/corsgate/envoy/bench/plot"
	"github.com/corsgate/corsgate/envoy/bench/sample"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policyfile"
)

// million is the number of origins in the largest policy.
const million = 1_000_000

// sizes are the numbers of origins and policies that are tried.
func (b *bench) sizes() []int {
	return pick(b, []int{1, 10, 100, 1000, 10_000, 100_000, million}, []int{1, 10, 100, 1000})
}

// decide measures decisions.
func (b *bench) decide(ctx context.Context) error {
	byName, err := b.decisionTimes(ctx)
	if err != nil {
		return err
	}
	s := b.report.goals("Decide", "One decision against the handler of github.com/rs/cors v1.11.1, for the same questions spread over the whole list. No decision here allocates, which the tests assert.")
	for _, n := range b.sizes() {
		b.compareAt(s, n, byName)
	}
	b.judgeFlat(s, byName)
	if n := b.sizes()[len(b.sizes())-1]; n == million {
		s.judge("1,000,000 exact origins, one hit", sample.Median(byName[caseName("exact", n, "request", ours)]), 1000, " ns")
	}
	s.judge("64 KiB of hostile Access-Control-Request-Headers / 1 KiB, the worst filling", worstHostile(byName), 2, "")
	b.plotDecisions(byName)
	return b.reload(ctx, s)
}

// decisionTimes lets another process measure.
func (b *bench) decisionTimes(ctx context.Context) (byName map[string][]float64, err error) {
	job := decideJob{Rounds: b.rounds, Sizes: b.sizes(), Slice: pick(b, 20*time.Millisecond, time.Millisecond)}
	p, err := start(ctx, "play-decide", job)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	line, err := p.read()
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal([]byte(line), &byName); err != nil {
		return nil, fmt.Errorf("read the decisions' times: %w", err)
	}
	return byName, nil
}

// atMost is the goal for the ratio to the peer, by the number of origins.
var atMost = map[int]float64{10: 0.5, 1000: 0.1, 100_000: 0.1}

// compareAt compares with the peer at n origins, if there is a goal.
func (b *bench) compareAt(s *section, n int, byName map[string][]float64) {
	limit, found := atMost[n]
	if !found {
		return
	}
	for _, question := range []string{"request", "preflight"} {
		ratio := sample.Ratio(byName[caseName("exact", n, question, ours)], byName[caseName("exact", n, question, other)])
		s.judge(fmt.Sprintf("%d exact origins, %s: corsgate / rs/cors", n, question), ratio, limit, "")
	}
}

// flat is how many times as much as ten many entries may cost: they do not fit into the
// processor's caches.
const flat = 2

// judgeFlat compares the cost of many wildcards with that of ten.
func (b *bench) judgeFlat(s *section, byName map[string][]float64) {
	at := func(what string, n int) []float64 { return byName[caseName(what, n, "request", ours)] }
	for _, n := range b.sizes() {
		if _, found := atMost[n]; !found || n == 10 {
			continue
		}
		s.judge(fmt.Sprintf("%d wildcards / 10 wildcards", n), sample.Ratio(at("wildcard", n), at("wildcard", 10)), flat, "")
		s.tell(fmt.Sprintf("%d exact origins / 10, for comparison", n), sample.Ratio(at("exact", n), at("exact", 10)), "")
	}
}

func worstHostile(byName map[string][]float64) float64 {
	worst := 0.0
	for _, fill := range hostiles() {
		ratio := sample.Ratio(byName[caseName("hostile", bigHostile, fill, ours)], byName[caseName("hostile", smallHostile, fill, ours)])
		worst = math.Max(worst, ratio)
	}
	return worst
}

// plotDecisions draws the cost of a decision against the number of origins and
// of policies.
func (b *bench) plotDecisions(byName map[string][]float64) {
	line := func(name, what, question, who string) plot.Series {
		s := plot.Series{Name: name}
		for _, n := range b.sizes() {
			if v := byName[caseName(what, n, question, who)]; v != nil {
				s.Points = append(s.Points, plot.Point{X: float64(n), Y: sample.Median(v)})
			}
		}
		return s
	}
	ns := plot.Axis{Label: "ns a decision", Log: true}
	b.report.chart("origins.svg", plot.Chart{
		Title: "A decision against the number of origins", X: plot.Axis{Label: "origins in the policy", Log: true}, Y: ns,
		Series: []plot.Series{
			line("exact", "exact", "request", ours), line("wildcard", "wildcard", "request", ours),
			line("preflight", "exact", "preflight", ours), line("rs/cors, exact", "exact", "request", other),
		},
	})
	b.report.chart("policies.svg", plot.Chart{
		Title: "A decision against the number of policies", X: plot.Axis{Label: "policies, a host each", Log: true},
		Y: plot.Axis{Label: "ns a decision"}, Series: []plot.Series{line("corsgate", "policies", "request", ours)},
	})
}

// loaded is the cost of one load of a policy file.
type loaded struct {
	parse, compile float64 // seconds of CPU time
	bytes          float64 // of memory that the set keeps
}

// reload measures loads of growing policy files.
func (b *bench) reload(ctx context.Context, s *section) error {
	var cases []sample.Case[loaded]
	sizes := b.sizes()[2:]
	for _, n := range sizes {
		folder, err := b.writeOrigins(n)
		if err != nil {
			return err
		}
		cases = append(cases, sample.Case[loaded]{Name: fmt.Sprint(n), Run: func(context.Context) (loaded, error) { return loadPolicies(folder) }})
	}
	byName, err := measure(ctx, b.fewRounds(), cases)
	if err != nil {
		return err
	}
	parse, compile := plot.Series{Name: "read and judge"}, plot.Series{Name: "compile"}
	for _, n := range sizes {
		got := byName[fmt.Sprint(n)]
		parse.Points = append(parse.Points, plot.Point{X: float64(n), Y: medianOf(got, func(l loaded) float64 { return l.parse })})
		compile.Points = append(compile.Points, plot.Point{X: float64(n), Y: medianOf(got, func(l loaded) float64 { return l.compile })})
	}
	b.report.chart("reload.svg", plot.Chart{
		Title: "A reload against the number of origins", X: plot.Axis{Label: "origins in the file", Log: true},
		Y: plot.Axis{Label: "CPU seconds", Log: true}, Series: []plot.Series{parse, compile},
	})
	if last := sizes[len(sizes)-1]; last == million {
		got := byName[fmt.Sprint(last)]
		s.judge("1,000,000 exact origins, memory of one with its text", medianOf(got, func(l loaded) float64 { return l.bytes })/million, 120, " B")
		s.judge("1,000,000 exact origins, compiling, off the request path", compile.Points[len(sizes)-1].Y, 3, " s")
		s.tell("1,000,000 exact origins, reading and judging the file", parse.Points[len(sizes)-1].Y, " s")
	}
	return nil
}

// medianOf is the median of one number of each value.
func medianOf[T any](values []T, number func(T) float64) float64 {
	return sample.Median(column(values, number))
}

// column returns one number of each value.
func column[T any](values []T, number func(T) float64) []float64 {
	var list []float64
	for _, v := range values {
		list = append(list, number(v))
	}
	return list
}

// writeOrigins writes a policy with n origins, in a group file, into a folder.
func (b *bench) writeOrigins(n int) (string, error) {
	folder := filepath.Join(b.folder, fmt.Sprintf("origins-%d", n))
	if err := os.Mkdir(folder, 0o700); err != nil {
		return "", fmt.Errorf("write a policy: %w", err)
	}
	group := strings.Join(numbered("https://tenant-%07d.example.com", n), "\n")
	if err := os.WriteFile(filepath.Join(folder, "tenants.txt"), []byte(group), 0o600); err != nil {
		return "", fmt.Errorf("write a policy: %w", err)
	}
	text := "originGroups: {tenants: {file: tenants.txt}}\npolicies: [{name: api, cors: {allowOrigins: [group:tenants], allowCredentials: true}}]\n"
	return folder, os.WriteFile(filepath.Join(folder, "policies.yaml"), []byte(text), 0o600)
}

// loadPolicies reads and compiles the policies in folder, as a reload does.
func loadPolicies(folder string) (l loaded, err error) {
	before := heap()
	var valid *policy.Valid
	l.parse, err = cpuSeconds(func() error {
		res := policyfile.Load(os.DirFS(folder), folder)
		valid = res.Policies
		if res.HasErrors() {
			return fmt.Errorf("the policies have mistakes: %v", res.Diagnostics[0])
		}
		return nil
	})
	if err != nil {
		return l, err
	}
	var set *policy.Set
	l.compile, err = cpuSeconds(func() error {
		set = policy.Compile(valid)
		return nil
	})
	valid = nil
	l.bytes = float64(heap() - before)
	runtime.KeepAlive(set)
	return l, err
}

// heap returns the bytes that are reachable.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// cpuSeconds returns the CPU time that this process uses while do runs.
func cpuSeconds(do func() error) (float64, error) {
	took, err := cpuWhile(os.Getpid(), do)
	return took.Seconds(), err
}

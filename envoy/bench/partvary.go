package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/corsgate/corsgate/envoy/bench/sample"
)

// The ways to merge "Origin" into Vary within Envoy.
const (
	byExpression = "CEL expression in header_mutation"
	byMatcher    = "response-header matcher in a composite"
	unmerged     = "appended always (not exact)"
)

// varyRounds is how many rounds one takes: the differences are small.
const varyRounds = 2

// varyPaths are what the upstream's answer has in Vary already, by the path
// that makes it so.
var varyPaths = []struct{ vary, path string }{
	{"no Vary", "/items"},
	{"Accept-Encoding", "/vary/Accept-Encoding"},
	{"Origin", "/vary/Origin"},
}

// vary compares the ways to merge, each alone in an Envoy.
func (b *bench) vary(ctx context.Context) (err error) {
	ways := []setup{
		{name: noFilter, build: func(b *bench) (parts, error) { return plain(b.upstream.address, nil) }},
		{name: unmerged, build: func(b *bench) (parts, error) { return varyAlways(b.upstream.address) }},
		{name: byExpression, build: func(b *bench) (parts, error) { return varyByExpression(b.upstream.address) }},
		{name: byMatcher, build: func(b *bench) (parts, error) { return varyByMatcher(b.upstream.address) }},
	}
	fronts, err := b.startFronts(ctx, ways)
	defer func() { err = errors.Join(err, stopFronts(fronts)) }()
	if err != nil {
		return err
	}
	var ls loads
	defer func() { err = errors.Join(err, ls.stop()) }()
	var cases []sample.Case[cost]
	for _, f := range fronts {
		for _, v := range varyPaths {
			c, err := b.requestCase(ctx, &ls, f, withoutOrigin, v.path)
			if err != nil {
				return fmt.Errorf("%s: %w", f.name, err)
			}
			cases = append(cases, c)
		}
	}
	byName, err := measure(ctx, varyRounds*b.rounds, cases)
	if err != nil {
		return err
	}
	b.showVary(byName)
	return nil
}

// showVary shows what each way adds to Envoy's CPU a request.
func (b *bench) showVary(byName map[string][]cost) {
	s := b.report.section("Vary", "Envoy's CPU a request with one filter that merges \"Origin\" into Vary, against no filter, by what the upstream's answer has.",
		"way", varyPaths[0].vary, varyPaths[1].vary, varyPaths[2].vary)
	envoys := func(way, path string) []float64 {
		return column(byName[costName(way, withoutOrigin.name+path)], func(c cost) float64 { return c.envoy })
	}
	for _, way := range []string{unmerged, byExpression, byMatcher} {
		cells := []string{way}
		for _, v := range varyPaths {
			mine, none := envoys(way, v.path), envoys(noFilter, v.path)
			cells = append(cells, fmt.Sprintf("%s (%+.1f µs)", number(sample.Ratio(mine, none)), sample.Median(mine)-sample.Median(none)))
		}
		s.row(cells...)
	}
}

package main

import (
	"context"
	"fmt"

	"github.com/corsgate/corsgate/envoy/bench/sample"
)

// The ways to merge "Origin" into Vary within Envoy.
const (
	byExpression = "CEL expression in header_mutation"
	byMatcher    = "response-header matcher in a composite"
	unmerged     = "appended always (not exact)"
)

// varyRounds is how many times the rounds are repeated: the differences are small.
const varyRounds = 2

// varyPaths are the paths by which the upstream's answer already has something in Vary.
var varyPaths = []struct{ vary, path string }{
	{"no Vary", "/items"},
	{"Accept-Encoding", "/vary/Accept-Encoding"},
	{"Origin", "/vary/Origin"},
}

// vary compares the ways to merge, each alone in an Envoy.
func (b *bench) vary(ctx context.Context) error {
	ways := []setup{
		{name: noFilter, build: func(b *bench) (parts, error) { return plain(b.upstream.address, nil) }},
		{name: unmerged, build: func(b *bench) (parts, error) { return varyAlways(b.upstream.address) }},
		{name: byExpression, build: func(b *bench) (parts, error) { return varyByExpression(b.upstream.address) }},
		{name: byMatcher, build: func(b *bench) (parts, error) { return varyByMatcher(b.upstream.address) }},
	}
	for i := range ways {
		for _, v := range varyPaths {
			ways[i].kinds = append(ways[i].kinds, withoutOrigin.at(v.path))
		}
	}
	byName, err := b.compare(ctx, ways, varyRounds*b.rounds, nil)
	if err != nil {
		return err
	}
	b.showVary(byName)
	return nil
}

// showVary shows how much CPU time each way adds to a request in Envoy.
func (b *bench) showVary(byName map[string][]cost) {
	s := b.report.section("Vary", "Envoy's CPU a request with one filter that merges \"Origin\" into Vary, against no filter, by what the upstream's answer has. The generated configuration uses the matcher, in the composite filters that it has already.",
		"way", varyPaths[0].vary, varyPaths[1].vary, varyPaths[2].vary)
	envoys := func(way, path string) []float64 {
		return column(byName[costName(way, withoutOrigin.at(path).name)], func(c cost) float64 { return c.envoy })
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

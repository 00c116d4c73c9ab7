package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/bench/sample"
)

// leftOut is the generated one-trip configuration without a part of it.
type leftOut struct {
	name string
	omit func(p parts)
}

// leftOuts are the configurations to measure. The first is the whole configuration, and
// the last has only the call.
func leftOuts() []leftOut {
	return []leftOut{
		{"nothing", func(parts) {}},
		{"the attribute that names a policy", omitAttributes},
		{"the strip before the call", omitDefault},
		{"the retries", omitRetries},
		{"the retries, but for the same within grpc_service", moveRetries},
		{"corsgate.apply", func(p parts) { p.omitFilter("corsgate.apply") }},
		{"corsgate.static", omitStatic},
		{"all of these", func(p parts) {
			omitAttributes(p)
			omitDefault(p)
			omitRetries(p)
			p.omitFilter("corsgate.apply")
			omitStatic(p)
		}},
	}
}

// asked is the chain of filters for a request that Envoy asks corsgate about.
func (p parts) asked() object {
	decide := p.manager["http_filters"].([]any)[0].(object)
	match := decide["typed_config"].(object)["matcher"].(object)["matcher_list"].(object)["matchers"].([]any)[0].(object)
	action := match["on_match"].(object)["action"].(object)["typed_config"].(object)
	return action["filter_chain"].(object)
}

// asker is the configuration of the filter that asks: the last of that chain.
func (p parts) asker() object {
	filters := p.asked()["typed_config"].([]any)
	return filters[len(filters)-1].(object)["typed_config"].(object)
}

// options are the HTTP options of corsgate's cluster, which come after the
// upstream's.
func (p parts) options() object {
	all := p.clusters()[1].(object)["typed_extension_protocol_options"].(object)
	return all["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"].(object)
}

// omitDefault removes the first of the two filters, which writes "strip".
func omitDefault(p parts) {
	chain := p.asked()
	chain["typed_config"] = chain["typed_config"].([]any)[1:]
}

func omitAttributes(p parts) { delete(p.asker(), "request_attributes") }

func omitRetries(p parts) { delete(p.options(), "retry_policy") }

// moveRetries makes the filter retry instead of the cluster.
func moveRetries(p parts) {
	p.asker()["grpc_service"].(object)["retry_policy"] = p.options()["retry_policy"]
	omitRetries(p)
}

func omitStatic(p parts) {
	p.omitFilter("corsgate.static")
	delete(p.host, "typed_per_filter_config")
}

func (p parts) omitFilter(name string) {
	p.manager["http_filters"] = slices.DeleteFunc(p.manager["http_filters"].([]any), func(f any) bool { return f.(object)["name"] == name })
}

// left shows what could still be saved of Envoy's part of one-trip. Envoy has no
// symbols for a profiler, so the profile is made by leaving parts out.
func (b *bench) left(ctx context.Context) error {
	kinds := []kind{allowed, preflight}
	var list []setup
	for _, l := range leftOuts() {
		s := with(l.name, envoy.Config{Profile: envoy.OneTrip}, tcp, kinds...)
		whole := s.build
		s.build = func(b *bench) (parts, error) {
			p, err := whole(b)
			if err == nil {
				l.omit(p)
			}
			return p, err
		}
		list = append(list, s)
	}
	byName, err := b.compare(ctx, list, b.rounds, nil)
	if err != nil {
		return err
	}
	b.showLeft(list, kinds, byName)
	return nil
}

// showLeft compares each with the whole configuration, the first of list.
func (b *bench) showLeft(list []setup, kinds []kind, byName map[string][]cost) {
	s := b.report.section("What is left in Envoy", "Envoy's CPU a one-trip request, and what it is when a part of the generated configuration is left out.",
		"left out", allowed.name, preflight.name)
	for _, l := range list {
		cells := []string{l.name}
		for _, k := range kinds {
			envoys := func(setup string) []float64 {
				return column(byName[costName(setup, k.name)], func(c cost) float64 { return c.envoy })
			}
			mine := envoys(l.name)
			cells = append(cells, fmt.Sprintf("%s µs (%s)", number(sample.Median(mine)), number(sample.Ratio(mine, envoys(list[0].name)))))
		}
		s.row(cells...)
	}
}

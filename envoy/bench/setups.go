package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/notrip"
	"github.com/corsgate/corsgate/policy"
)

// setup is a way to put CORS into Envoy.
type setup struct {
	name    string
	build   func(b *bench) (parts, error)
	service func(b *bench) *process // nil means none
	kinds   []kind
	// decides says that corsgate's policies decide.
	decides bool
}

// The names of the setups that others are compared with.
const (
	noFilter   = "no filter"
	nativeCORS = "native cors filter"
	noopTCP    = "no-op ext_proc, TCP"
	noTrip     = "no-trip"
)

// tcp is the service that corsgate's setups ask by default.
func tcp(b *bench) *process { return b.corsgateTCP }

// setups are the ways that are measured with the policies of the service.
func setups() []setup {
	unix := func(b *bench) *process { return b.corsgateUDS }
	noop := func(p func(b *bench) *process) func(b *bench) (parts, error) {
		return func(b *bench) (parts, error) { return withNoop(b.upstream.address, p(b).address) }
	}
	noopOnTCP, noopOnUnix := func(b *bench) *process { return b.noopTCP }, func(b *bench) *process { return b.noopUDS }
	leave := envoy.WithoutOriginLeave
	list := []setup{
		{name: noFilter, build: func(b *bench) (parts, error) { return plain(b.upstream.address, nil) }, kinds: every()},
		native(nativeCORS, apiOrigins()),
		{name: noopTCP, build: noop(noopOnTCP), service: noopOnTCP, kinds: every()},
		{name: "no-op ext_proc, Unix socket", build: noop(noopOnUnix), service: noopOnUnix, kinds: []kind{allowed}},
		with("one-trip, TCP", envoy.Config{Profile: envoy.OneTrip}, tcp, every()...),
		with("one-trip, Unix socket", envoy.Config{Profile: envoy.OneTrip}, unix, allowed, preflight),
		with("one-trip, TCP, without corsgate.static", envoy.Config{Profile: envoy.OneTrip, WithoutOrigin: leave}, tcp, withoutOrigin),
		with("one-trip, TCP, by route", envoy.Config{Profile: envoy.OneTrip, MatchBy: envoy.ByRoute}, tcp, every()...),
		with("one-trip, TCP, by route, without corsgate.static", envoy.Config{Profile: envoy.OneTrip, MatchBy: envoy.ByRoute, WithoutOrigin: leave}, tcp, withoutOrigin),
		with("two-phase, TCP", envoy.Config{Profile: envoy.TwoPhase}, tcp, every()...),
		with("two-phase, Unix socket", envoy.Config{Profile: envoy.TwoPhase}, unix, allowed),
		with("ext-authz, TCP", envoy.Config{Profile: envoy.ExtAuthz}, tcp, every()...),
		with("ext-authz, Unix socket", envoy.Config{Profile: envoy.ExtAuthz}, unix, allowed),
	}
	for _, v := range noTrips() {
		list = append(list, compiled(v.name, v.how, apiSpec(apiOrigins())))
	}
	return list
}

// noTrips are the ways to compile policies.
func noTrips() []struct {
	name string
	how  envoy.Compiled
} {
	return []struct {
		name string
		how  envoy.Compiled
	}{
		{noTrip, envoy.Compiled{}},
		{"no-trip, replies by Lua", envoy.Compiled{Reply: notrip.ByLua}},
		{"no-trip, with policy names", envoy.Compiled{PolicyNames: true}},
		{"no-trip, with feed", envoy.Compiled{Feed: envoy.WholeFeed}},
		{"no-trip, with a feed of 1 %", envoy.Compiled{Feed: envoy.WholeFeed / 100}},
		{"no-trip, with decision stats", envoy.Compiled{Stats: true}},
		{"no-trip, 16 shards", envoy.Compiled{Shards: 16}},
		{"no-trip, named policies", envoy.Compiled{NamedPolicies: true}},
	}
}

// The sizes that are compared: of origins in one policy, and of policies with ten
// origins and a host each.
var (
	originCounts = []int{10, 1000, 100_000}
	policyCounts = []int{1, 100, 1000}
)

// sized are setups with more and more origins and policies.
func sized() []setup {
	var list []setup
	for _, n := range originCounts {
		list = append(list, native(originsName(nativeCORS, n), manyOrigins(n)), compiled(originsName(noTrip, n), envoy.Compiled{}, apiSpec(manyOrigins(n))))
	}
	for _, n := range policyCounts {
		list = append(list, compiled(policiesName(noTrip, n), envoy.Compiled{}, apiSpecs(n)...))
	}
	return list
}

func originsName(setup string, n int) string { return setup + ", " + grouped(n) + " origins" }

func policiesName(setup string, n int) string { return setup + ", " + policyCount(n) }

func policyCount(n int) string {
	if n == 1 {
		return "1 policy"
	}
	return grouped(n) + " policies"
}

// grouped writes n with a comma before each three digits.
func grouped(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", grouped(n/1000), n%1000)
}

// native is Envoy's own filter.
func native(name string, origins []string) setup {
	return setup{name: name, build: func(b *bench) (parts, error) { return withNative(b.upstream.address, origins) }, kinds: every()}
}

// with is corsgate behind the generated configuration.
func with(name string, c envoy.Config, service func(b *bench) *process, kinds ...kind) setup {
	return setup{name: name, service: service, kinds: kinds, decides: true, build: func(b *bench) (parts, error) {
		c.Upstream, c.Service = b.upstream.address, service(b).address
		return generated(c)
	}}
}

// compiled is an Envoy with compiled policies, and corsgate for what Envoy has to ask.
func compiled(name string, how envoy.Compiled, specs ...policy.Spec) setup {
	return setup{name: name, service: tcp, kinds: every(), decides: true, build: func(b *bench) (parts, error) {
		c := b.noTrip(name, how)
		res, err := compileFor(c, specs...)
		if err != nil {
			return parts{}, err
		}
		if err := envoy.WriteFilters(c.Compiled.Folder, res); err != nil {
			return parts{}, fmt.Errorf("write the filters: %w", err)
		}
		return generated(c)
	}}
}

// noTrip is an Envoy that reads compiled policies from a folder of that name.
func (b *bench) noTrip(name string, how envoy.Compiled) envoy.Config {
	how.Folder = filepath.Join(b.folder, strings.ReplaceAll(name, " ", "-"))
	return envoy.Config{Profile: envoy.NoTrip, Upstream: b.upstream.address, Service: tcp(b).address, Compiled: how}
}

// compileFor compiles policies for an Envoy.
func compileFor(c envoy.Config, specs ...policy.Spec) (*notrip.Result, error) {
	set, err := compile(specs...)
	if err != nil {
		return nil, err
	}
	return c.Compile(set)
}

// apiHost is the host of all requests.
const apiHost = "api.example.com"

// apiOrigins are the origins in the policies of the service.
func apiOrigins() []string {
	return []string{"https://app.example.com", "https://admin.example.com", "https://*.apps.example.com", "https://apps.example.com", "http://localhost:*"}
}

// manyOrigins are n origins; that of the requests is in the middle.
func manyOrigins(n int) []string {
	list := numbered("https://tenant-%07d.example.com", n)
	list[n/2] = "https://app.example.com"
	return list
}

// apiSpec is the policy of the host.
func apiSpec(origins []string) policy.Spec {
	s := benchSpec(origins)
	s.Hosts = []string{apiHost}
	return s
}

// apiSpecs are n policies with ten origins and a host each; that of the requests is in
// the middle. No two policies list the same origins.
func apiSpecs(n int) []policy.Spec {
	specs := benchSpecs(n)
	for i := range specs {
		specs[i].CORS.AllowOrigins = numbered(fmt.Sprintf("https://tenant-%d-%%d.example.com", i), 10)
	}
	specs[n/2].Hosts, specs[n/2].CORS.AllowOrigins[5] = []string{apiHost}, "https://app.example.com"
	return specs
}

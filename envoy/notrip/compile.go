package notrip

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	composite "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/composite/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/corsgate/corsgate/policy"
)

// Reply says how Envoy answers by itself.
type Reply string

// The ways to answer.
const (
	// ByAuthz answers by an ext_authz filter that is switched off. Envoy's log has the
	// response flag UAEX and the details ext_authz_error, on good preflights, too.
	ByAuthz Reply = "ext-authz"
	// ByLua answers by a line of Lua, with the details lua_response and without a flag.
	// It costs a Lua state for each answer and worker.
	ByLua Reply = "lua"
)

// Options describe the Envoy that gets the filter. The zero Options are for an Envoy
// without a service.
type Options struct {
	// Ask is the chain of filters that asks the service. AskBlocking is for requests that
	// a policy may block: it answers 403 if the service does not answer. Both are empty
	// without a service.
	Ask, AskBlocking []*core.TypedExtensionConfig
	// Ports are those that clients write in an authority, as in
	// "api.example.com:8443". Envoy asks about requests with other ports.
	Ports []uint16
	// Shards is over how many resources the hosts are divided, by their hash; 0 and 1
	// mean one resource. Root finds the right one.
	Shards int
	// Suffix ends the names of the resources.
	Suffix string
	// NamedPolicies makes Envoy ask about requests whose route or virtual host names a
	// policy.
	NamedPolicies bool
	// PolicyNames writes the policy's name into the metadata of each decision, for
	// Envoy's log. Then fewer policies can share a chain.
	PolicyNames bool
	// Feed keeps each decision and its request for the access log that reports them to
	// the service. A report names the resource by its stamp.
	Feed bool
	// StampSet makes each stamp the hash of the set, for a service that does not compile
	// the resources itself. Then all stamps change with the set.
	StampSet bool
	// Reply defaults to ByAuthz.
	Reply Reply
	// Budget bounds the resources, in bytes. Envoy asks about policies that do not fit.
	// 0 means DefaultBudget.
	Budget int
}

// Resource is one filter, for Envoy's extension config discovery.
type Resource struct {
	// Name is "corsgate", or "corsgate-0-of-16" and so on if there are several, with the
	// suffix.
	Name string
	// Version is a hexadecimal SHA-256 of the bytes of Filter.
	Version string
	// Stamp identifies what Filter is compiled from. If the resources of two sets have the
	// same stamp, the sets agree about all that the resource decides. It is empty without
	// a feed.
	Stamp string
	// Filter is an envoy.extensions.filters.http.composite.v3.Composite. It shares its bytes
	// with Encoded.
	Filter *anypb.Any
	// Encoded is the resource as it is delivered: a google.protobuf.Any with an
	// envoy.config.core.v3.TypedExtensionConfig. Do not change it.
	Encoded []byte
}

// Result is what policies compile into.
type Result struct {
	Resources []Resource
	compiler  *compiler
}

// Policies returns for each policy what Envoy asks about, in the order of the specs.
func (r *Result) Policies() []Report { return r.compiler.report(r.compiler.resolve(r.compiler.keys)) }

// Size returns the size of all resources together, in bytes.
func (r *Result) Size() (size int) {
	for _, res := range r.Resources {
		size += len(res.Filter.GetValue())
	}
	return size
}

// Compile compiles a set. The same set and options give the same bytes. An error is a
// fault of the compiler.
func Compile(set *policy.Set, o Options) (*Result, error) { return NewCompiler(o).Compile(set) }

func newCompiler(set *policy.Set, o Options, last memory) *compiler {
	o.Shards, o.Budget = max(o.Shards, 1), cmp.Or(o.Budget, DefaultBudget)
	c := &compiler{Options: o, set: set, built: last.built}
	specs := set.Specs()
	for i := range specs {
		c.policies = append(c.policies, last.compiled(set, &specs[i]))
	}
	c.oddOrigins = mergeOddOrigins(c.policies)
	c.layers = layersOf(c.policies)
	c.keys = keysOf(c.layers, o.Ports)
	c.hosts = c.resolveOthers()
	return c
}

// resources compiles each resource, and returns their size in bytes.
func (c *compiler) resources() (list []Resource, size int, err error) {
	next := make([]built, c.Shards)
	common := c.commonInputs()
	for i, keys := range shard(c.keys, c.Shards) {
		if next[i], err = c.build(i, c.resolve(keys), common); err != nil {
			return nil, 0, err
		}
		list, size = append(list, next[i].Resource), size+len(next[i].Filter.GetValue())
	}
	c.built = next
	return list, size, nil
}

// build compiles a resource, unless the last one was built from the same inputs.
func (c *compiler) build(shard int, h *hosts, common digest) (built, error) {
	inputs := c.inputs(h, common)
	if shard < len(c.built) && c.built[shard].inputs == inputs {
		return c.built[shard], nil
	}
	r, err := c.resource(c.ResourceName(shard), c.compile(h))
	return built{inputs, r}, err
}

func (c *compiler) resource(name string, filter *composite.Composite) (Resource, error) {
	if err := verify(filter); err != nil {
		return Resource{}, fmt.Errorf("%s: %w", name, err)
	}
	r := Resource{Name: name, Filter: pack(filter)}
	if c.Feed {
		r.stamp(c)
	}
	r.Version = hashOf(r.Filter)
	return r, r.encode()
}

// encode fills in Encoded. The filter's bytes are the last ones of Encoded, and are kept
// only there, since there may be millions.
func (r *Resource) encode() error {
	config, err := anypb.New(&core.TypedExtensionConfig{Name: r.Name, TypedConfig: r.Filter})
	if err != nil {
		return fmt.Errorf("write %s: %w", r.Name, err)
	}
	if r.Encoded, err = proto.Marshal(config); err != nil {
		return fmt.Errorf("write %s: %w", r.Name, err)
	}
	if last := len(r.Encoded) - len(r.Filter.GetValue()); bytes.Equal(r.Encoded[last:], r.Filter.GetValue()) {
		r.Filter.Value = r.Encoded[last:]
	}
	return nil
}

// unstamped is in a filter where its stamp will be, and has the same length. No policy
// has control characters.
var unstamped = strings.Repeat("\x01", 2*sha256.Size)

// stamp writes the stamp into the filter. No message changes its length.
func (r *Resource) stamp(c *compiler) {
	if r.Stamp = hashOf(r.Filter); c.StampSet {
		r.Stamp = c.set.Hash()
	}
	r.Filter.Value = bytes.ReplaceAll(r.Filter.GetValue(), []byte(unstamped), []byte(r.Stamp))
}

// hashOf returns a hexadecimal SHA-256.
func hashOf(filter *anypb.Any) string {
	hash := sha256.Sum256(filter.GetValue())
	return hex.EncodeToString(hash[:])
}

// compiler compiles a set, one resource after the other.
type compiler struct {
	Options
	set      *policy.Set
	policies []*compiled // in the order of the specs
	// oddOrigins are the listed origins that are not plain, sorted.
	oddOrigins []string
	// layers has the rules of each host, and keys are the authorities to look up.
	layers map[string][]rule
	keys   []string
	hosts  hosts   // without the exact ones
	cut    bool    // some policies do not fit into the budget
	built  []built // what was compiled last, by shard
	chains chains
	alikes map[*compiled]node // see alike; their chains are among chains
}

// compiled is one policy with what the compiler needs to know of it.
type compiled struct {
	policy.Policy
	spec *policy.Spec
	*facts
	// asked says that Envoy asks about every request with an Origin that the policy
	// covers.
	asked bool
	// causes say why.
	causes []Cause
	parsed []policy.Pattern // see patterns
}

// rule is a policy with one of its paths; the empty path is every path.
type rule struct {
	path   string
	policy *compiled
}

// begin begins a composite.
func (c *compiler) begin() { c.chains, c.alikes = chains{}, map[*compiled]node{} }

// compile returns the composite filter of the hosts. inputs has all that it depends on.
func (c *compiler) compile(h *hosts) *composite.Composite {
	c.begin()
	odd := c.byHost(h, c.odd, c.oddAuthority(h, c.askEither)...)
	preflight := first(c.byHost(h, c.preflight, c.oddAuthority(h, func(b blocking) node { return c.ask(b, true) })...), when{hasLongList, odd})
	cors := first(c.byHost(h, c.request, c.oddAuthority(h, func(b blocking) node { return c.ask(b, false) })...), when{isPreflight, preflight})
	return c.composite(first(c.withoutOrigin(h), append(c.named(), when{c.hasKnownOrigin(), cors}, when{has(origin), odd})...))
}

// odd is for requests whose Origin may be malformed, or whose list of headers may be too
// long. Envoy asks about them, unless the answer is known anyway.
func (c *compiler) odd(s *site) node {
	policies := s.policies()
	if !slices.ContainsFunc(policies, (*compiled).takesOdd) {
		return c.askOdd(s, policies)
	}
	return c.chains.run("odd", c.nest("odd", func(inner *compiler) node {
		return first(inner.oddRequest(s), when{isPreflight, inner.oddPreflight(s)})
	}))
}

func (c *compiler) askOdd(s *site, policies []*compiled) node {
	if len(policies) == 0 && s.asker == nil {
		return c.noPolicy()
	}
	return c.askEither(blockingOf(policies))
}

// takesOdd reports whether p gives the same answer whatever the Origin.
func (p *compiled) takesOdd() bool {
	return p.spec.Mode == policy.ModeOff || p.Public && !p.asked
}

// oddRequest is for odd requests that are not preflights. A public policy answers all of
// them alike.
func (c *compiler) oddRequest(s *site) node {
	return c.byPath(s, false, func(p *compiled) node {
		switch {
		case p.spec.Mode == policy.ModeOff:
			return c.off(p)
		case p.takesOdd():
			return c.allowed(p)
		}
		return c.ask(p.blocking(), false)
	})
}

func (c *compiler) oddPreflight(s *site) node {
	return c.byPath(s, true, func(p *compiled) node {
		if p.spec.Mode == policy.ModeOff {
			return c.off(p)
		}
		return c.ask(p.blocking(), true)
	})
}

// layersOf returns the rules of each host, as policies write hosts; "" is every host.
func layersOf(policies []*compiled) map[string][]rule {
	layers := map[string][]rule{}
	for _, p := range policies {
		for _, host := range orEvery(p.spec.Hosts) {
			for _, path := range orEvery(p.spec.Paths) {
				layers[host] = append(layers[host], rule{strings.TrimRight(path, "/"), p})
			}
		}
	}
	for _, rules := range layers {
		slices.SortStableFunc(rules, func(a, b rule) int { return cmp.Compare(len(b.path), len(a.path)) })
	}
	return layers
}

// orEvery returns the list, or a list with "" for everything if it is empty.
func orEvery(list []string) []string {
	if len(list) == 0 {
		return []string{""}
	}
	return list
}

// keysOf returns the authorities that are looked up: exact hosts, without a port and
// with each of the ports.
func keysOf(layers map[string][]rule, ports []uint16) (keys []string) {
	for _, host := range slices.Sorted(maps.Keys(layers)) {
		if host == "" || strings.HasPrefix(host, "*.") {
			continue
		}
		keys = append(keys, host)
		for _, port := range ports {
			keys = append(keys, host+":"+strconv.Itoa(int(port)))
		}
	}
	return keys
}

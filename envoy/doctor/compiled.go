package doctor

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	xds "github.com/cncf/xds/go/xds/type/matcher/v3"
	composite "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/composite/v3"
	lua "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/lua/v3"
	setmetadata "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/set_metadata/v3"
	"google.golang.org/protobuf/proto"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/notrip"
	"github.com/corsgate/corsgate/server/contract"
)

// unknownSet stands for the hash of a set that is not that of the policies.
const unknownSet = "another set"

// compiledFrom returns the hash of the policies if a filter is what they compile into,
// unknownSet if it is not, or "" if that is not known.
// A stamp stands in filters of files that report to the feed.
func (f *facts) compiledFrom(name, stamp string, d *delivery) string {
	c, shard, err := envoy.ParseResourceName(name)
	if f.policies == nil || err != nil {
		return ""
	}
	o := optionsOf(d.filter)
	o.Shards, o.Suffix = c.Compiled.Shards, strings.TrimPrefix(name, notrip.Options{Shards: c.Compiled.Shards}.ResourceName(shard))
	o.Feed, o.StampSet = c.Compiled.Feed > 0 || stamp != "", stamp != ""
	result := f.compile(o)
	switch {
	case result == nil:
		return ""
	case proto.Equal(unpack(result.Resources[shard].Filter), d.filter):
		return f.policies.Hash()
	}
	return unknownSet
}

// compile compiles the policies, or returns nil. Shards mostly have the same options.
func (f *facts) compile(o notrip.Options) *notrip.Result {
	key := fmt.Sprint(o)
	if result, done := f.compiled[key]; done {
		return result
	}
	result, err := notrip.Compile(f.policies, o)
	if err != nil {
		result = nil
	}
	f.compiled[key] = result
	return result
}

// ofPorts is the end of an expression for authorities, with the ports that they may have.
var ofPorts = regexp.MustCompile(`\(\?::\(\?:([0-9]{1,5}(?:\|[0-9]{1,5})*)\)\)\?$`)

// optionsOf returns the options that a filter was compiled with, which it shows. If it names
// no budget, all policies fit.
func optionsOf(filter proto.Message) (o notrip.Options) {
	o.Budget = math.MaxInt
	walk(filter, func(m proto.Message) bool {
		switch m := m.(type) {
		case *composite.Composite:
			readChains(&o, m)
		case *xds.RegexMatcher:
			if found := ofPorts.FindStringSubmatch(m.GetRegex()); found != nil && o.Ports == nil {
				o.Ports = portsOf(found[1])
			}
		case *xds.CelMatcher:
			o.NamedPolicies = true
		case *lua.Lua:
			o.Reply = notrip.ByLua
		case *setmetadata.Config:
			for _, one := range m.GetMetadata() {
				o.PolicyNames = o.PolicyNames || one.GetValue().GetFields()[contract.Policy] != nil
			}
		}
		return true
	})
	if o.Ask == nil {
		o.Ask = o.AskBlocking // so that it asks at all
	}
	return o
}

// readChains reads the chains that ask, and the budget in their names.
func readChains(o *notrip.Options, m *composite.Composite) {
	for name, chain := range m.GetNamedFilterChains() {
		parts := strings.Split(name, ".")
		switch parts[0] {
		case notrip.AskChain:
			o.Ask = chain.GetTypedConfig()
		case notrip.AskBlockingChain:
			o.AskBlocking = chain.GetTypedConfig()
		default:
			continue
		}
		if len(parts) > 2 {
			o.Budget, _ = strconv.Atoi(parts[1]) // another text stands for another filter
		}
	}
}

// portsOf returns ports that stand between bars.
func portsOf(text string) (ports []uint16) {
	for _, one := range strings.Split(text, "|") {
		if port, err := strconv.ParseUint(one, 10, 16); err == nil {
			ports = append(ports, uint16(port))
		}
	}
	return ports
}

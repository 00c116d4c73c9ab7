package ecds

import (
	"fmt"
	"slices"
	"sync"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/corsgate/corsgate/policy"
)

// resource is a Resource as it is sent.
type resource struct {
	name, version, stamp string
	// body is an Any with the TypedExtensionConfig.
	body []byte
}

// variant are the resources that are compiled together, by name.
type variant map[string]*resource

// generation is what a set is compiled into.
type generation struct {
	number  uint64 // counted from 1 on, once it serves
	set     *policy.Set
	compile Compile
	stamped func(*policy.Set, map[string]bool) // or nil
	inUse   func() map[string]bool             // names

	mu       sync.Mutex // held while it compiles
	variants []variant
}

// find returns the resource of a name, and compiles it if necessary. If there are too
// many variants, it drops those that no Envoy uses.
func (g *generation) find(name string) (*resource, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, v := range g.variants {
		if r := v[name]; r != nil {
			return r, nil
		}
	}
	if len(g.variants) >= MaxVariants {
		used := g.inUse()
		g.variants = slices.DeleteFunc(g.variants, func(v variant) bool {
			_, isUsed := v.oneOf(used)
			return !isUsed
		})
	}
	if len(g.variants) >= MaxVariants {
		return nil, fmt.Errorf("resource %q: Envoys ask for %d variants of the compiled policies already, configure them with the same ports, shards and other flags", name, MaxVariants)
	}
	v, err := g.variant(name)
	if err != nil {
		return nil, err
	}
	g.variants = append(g.variants, v)
	if g.stamped != nil {
		g.stamped(g.set, g.stamps())
	}
	return v[name], nil
}

// stamps returns the stamps of all resources.
func (g *generation) stamps() map[string]bool {
	stamps := map[string]bool{}
	for _, v := range g.variants {
		for _, r := range v {
			if r.stamp != "" {
				stamps[r.stamp] = true
			}
		}
	}
	return stamps
}

// compiled returns one name of each variant that is in use. A nil generation has none.
func (g *generation) compiled() (names []string) {
	if g == nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	used := g.inUse()
	for _, v := range g.variants {
		if name, ok := v.oneOf(used); ok {
			names = append(names, name)
		}
	}
	return names
}

// oneOf returns one of the names that belongs to a resource of v.
func (v variant) oneOf(names map[string]bool) (name string, ok bool) {
	for name := range v {
		if names[name] {
			return name, true
		}
	}
	return "", false
}

// variant compiles the variant that has a resource of that name.
func (g *generation) variant(name string) (variant, error) {
	list, err := g.compile(g.set, name)
	if err != nil {
		return nil, err
	}
	v := variant{}
	for _, r := range list {
		if v[r.Name], err = encodeResource(r); err != nil {
			return nil, fmt.Errorf("write the resource %q: %w", r.Name, err)
		}
	}
	if v[name] == nil {
		return nil, fmt.Errorf("the resource %q was not compiled, please report it", name)
	}
	return v, nil
}

func encodeResource(r Resource) (*resource, error) {
	config, err := anypb.New(&core.TypedExtensionConfig{Name: r.Name, TypedConfig: r.Config})
	if err != nil {
		return nil, err
	}
	body, err := proto.Marshal(config)
	return &resource{name: r.Name, version: r.Version, stamp: r.Stamp, body: body}, err
}

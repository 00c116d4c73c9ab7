package ecds

import (
	"fmt"
	"slices"
	"sync"

	"github.com/corsgate/corsgate/policy"
)

// variant are the resources that are compiled together, and the function that compiles
// them.
type variant struct {
	compile   Compile
	resources map[string]*Resource // :: name
}

// generation is what a set is compiled into.
type generation struct {
	number   uint64 // counted from 1 on, once it serves
	set      *policy.Set
	compiler Compiler
	stamped  func(*policy.Set, map[string]bool) // or nil
	inUse    func() map[string]bool             // names

	mu       sync.Mutex // held while it compiles
	variants []*variant
}

// find returns the resource of a name, and compiles it if necessary. If there are too
// many variants, it drops those that no Envoy uses.
func (g *generation) find(name string) (*Resource, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r := g.have(name); r != nil {
		return r, nil
	}
	if len(g.variants) >= MaxVariants {
		used := g.inUse()
		g.variants = slices.DeleteFunc(g.variants, func(v *variant) bool { return !v.hasOneOf(used) })
	}
	if len(g.variants) >= MaxVariants {
		return nil, fmt.Errorf("resource %q: Envoys ask for %d variants of the compiled policies already, configure them with the same ports, shards and other flags", name, MaxVariants)
	}
	compile, err := g.compiler(name)
	if err != nil {
		return nil, err
	}
	if err := g.add(compile); err != nil {
		return nil, err
	}
	r := g.have(name)
	if r == nil {
		return nil, fmt.Errorf("the resource %q was not compiled, please report it", name)
	}
	return r, nil
}

// have returns a resource if it is compiled, or nil.
func (g *generation) have(name string) *Resource {
	for _, v := range g.variants {
		if r := v.resources[name]; r != nil {
			return r
		}
	}
	return nil
}

// add compiles a variant.
func (g *generation) add(compile Compile) error {
	list, err := compile(g.set)
	if err != nil {
		return err
	}
	v := &variant{compile: compile, resources: make(map[string]*Resource, len(list))}
	for i := range list {
		v.resources[list[i].Name] = &list[i]
	}
	g.variants = append(g.variants, v)
	if g.stamped != nil {
		g.stamped(g.set, g.stamps())
	}
	return nil
}

// stamps returns the stamps of all resources.
func (g *generation) stamps() map[string]bool {
	stamps := map[string]bool{}
	for _, v := range g.variants {
		for _, r := range v.resources {
			if r.Stamp != "" {
				stamps[r.Stamp] = true
			}
		}
	}
	return stamps
}

// used returns the variants that are in use. A nil generation has none.
func (g *generation) used() []*variant {
	if g == nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	used := g.inUse()
	return slices.DeleteFunc(slices.Clone(g.variants), func(v *variant) bool { return !v.hasOneOf(used) })
}

// hasOneOf reports whether one of the names belongs to a resource of v.
func (v *variant) hasOneOf(names map[string]bool) bool {
	for name := range v.resources {
		if names[name] {
			return true
		}
	}
	return false
}

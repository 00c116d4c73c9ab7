package notrip

import (
	"slices"
	"sync"

	"github.com/corsgate/corsgate/policy"
)

// Compiler compiles one set after the other with the same options. It compiles a resource
// again only if something has changed for it. It returns the same as Compile. It is safe
// for concurrent use.
type Compiler struct {
	options Options

	mu   sync.Mutex // held while it compiles
	last memory
}

// NewCompiler returns a compiler with those options.
func NewCompiler(o Options) *Compiler { return &Compiler{options: o} }

// Compile compiles a set. An error is a fault of the compiler.
func (c *Compiler) Compile(set *policy.Set) (*Result, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	next := newCompiler(set, c.options, c.last)
	resources, err := next.fit()
	if err != nil {
		return nil, err
	}
	c.last = next.memory()
	return &Result{Resources: resources, compiler: next}, nil
}

// memory is the part of a set that is kept for the next one.
type memory struct {
	facts map[string]*facts // :: policy name
	built []built           // by shard
}

// built is a resource with a hash of its inputs.
type built struct {
	inputs digest
	Resource
}

// memory returns the part of the compiler's set to keep.
func (c *compiler) memory() memory {
	m := memory{facts: make(map[string]*facts, len(c.policies)), built: c.built}
	for _, p := range c.policies {
		m.facts[p.spec.Name] = p.facts
	}
	return m
}

// compiled reads a policy of the set.
func (m *memory) compiled(set *policy.Set, s *policy.Spec) *compiled {
	p := &compiled{spec: s, facts: m.facts[s.Name]}
	p.Policy, _ = set.Policy(s.Name)
	if p.facts == nil || p.hash != p.Hash {
		p.facts = newFacts(p.Policy, s)
	}
	p.asked, p.causes = len(p.whole) > 0, slices.Clip(p.whole)
	return p
}

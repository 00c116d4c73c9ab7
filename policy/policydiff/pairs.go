package policydiff

import (
	"reflect"
	"strings"

	"github.com/corsgate/corsgate/policy"
)

// maxTargets bounds the hosts with paths that are looked up.
const maxTargets = 1 << 20

// nobodysHost is a host that no policy names.
const nobodysHost = "corsgate-probe.example"

// pair are the policies that both sets choose for the same request.
type pair struct {
	old, new *policy.Spec // never nil; without a name if there is no policy
	at       policy.Request
}

// request returns a request of origin, from another site, that both policies
// decide.
func (p pair) request(method, origin string) policy.Request {
	r := p.at
	r.Method, r.Origin, r.SecFetchSite = method, origin, "cross-site"
	return r
}

// preflight returns the preflight for a request with a method and a header.
func (p pair) preflight(origin, method, header string) policy.Request {
	r := p.request("OPTIONS", origin)
	r.RequestMethod, r.RequestHeaders = method, header
	return r
}

// sameRules reports whether two policies decide alike, whatever their names
// and whatever they are chosen for.
func sameRules(a, b *policy.Spec) bool {
	x, y := *a, *b
	x.Name, x.Hosts, x.Paths, x.Dangerously = y.Name, y.Hosts, y.Paths, y.Dangerously
	return (a.Name == "") == (b.Name == "") && reflect.DeepEqual(x, y)
}

// pairs returns each pair of policies that some request gets, with one such
// request.
func (c *Comparison) pairs() []pair {
	s := &scopes{c: c, byHost: map[string][]*policy.Spec{}, seen: map[[2]string]bool{}}
	hosts := s.collect()
	for _, host := range hosts {
		for _, path := range s.paths(host) {
			if s.asked++; s.asked > maxTargets {
				c.bounded = true
				return s.found
			}
			s.add(policy.Request{Authority: host, Path: path})
		}
	}
	for _, name := range c.new.set.Names() {
		// Envoy may name a policy; where one side has none of that name, a
		// configuration that names it is another one.
		if c.old.byName[name] != nil {
			s.add(policy.Request{Policy: name, Authority: nobodysHost, Path: "/"})
		}
	}
	return s.found
}

// scopes finds pairs.
type scopes struct {
	c      *Comparison
	byHost map[string][]*policy.Spec // :: entry of hosts, or "" for every host
	seen   map[[2]string]bool        // :: names of a pair
	found  []pair
	asked  int
}

// collect adds all policies and returns hosts that they cover.
func (s *scopes) collect() []string {
	hosts := []string{nobodysHost}
	for _, specs := range [][]policy.Spec{s.c.old.set.Specs(), s.c.new.set.Specs()} {
		for i := range specs {
			if len(specs[i].Hosts) == 0 {
				s.byHost[""] = append(s.byHost[""], &specs[i])
			}
			for _, h := range specs[i].Hosts {
				s.byHost[h] = append(s.byHost[h], &specs[i])
				hosts = append(hosts, probeHosts(h)...)
			}
		}
	}
	return union(hosts)
}

// probeHosts returns hosts that an entry of hosts covers, and its near miss.
func probeHosts(entry string) []string {
	if apex, ok := strings.CutPrefix(entry, "*."); ok {
		return []string{"a." + apex, "a.b." + apex, apex}
	}
	return []string{entry}
}

// paths returns paths that policies that cover host may treat differently.
func (s *scopes) paths(host string) []string {
	paths := []string{"/"}
	add := func(entry string) {
		for _, spec := range s.byHost[entry] {
			for _, p := range spec.Paths {
				base := strings.TrimSuffix(p, "/")
				paths = append(paths, p, base+"/x", base+"x")
			}
		}
	}
	add("")
	add(host)
	for _, parent, found := strings.Cut(host, "."); found; _, parent, found = strings.Cut(parent, ".") {
		add("*." + parent)
	}
	return union(paths)
}

// add adds the pair of policies that r gets.
func (s *scopes) add(r policy.Request) {
	old, now := s.c.old.set.Decide(&r), s.c.new.set.Decide(&r)
	key := [2]string{old.Policy, now.Policy}
	if s.seen[key] {
		return
	}
	s.seen[key] = true
	s.found = append(s.found, pair{old: s.c.old.spec(old.Policy), new: s.c.new.spec(now.Policy), at: r})
}

// spec returns the policy of that name, or an empty one.
func (s side) spec(name string) *policy.Spec {
	if spec := s.byName[name]; spec != nil {
		return spec
	}
	return &policy.Spec{}
}

package notrip

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/policy"
)

// target is what is known of the authority of the requests that rules are for: an
// exact one, the parent of "*." hosts, or nothing.
type target struct{ authority, parent string }

// site has the rules of a target. The first rule that covers the path acts.
type site struct {
	target
	rules []rule
	// asker is the reason to ask about every request with an Origin: a shadow policy that
	// covers the site, or a policy whose own path has several readings; then unread is
	// set. It is nil if there is no such policy.
	asker  *compiled
	unread bool
}

// String names the hosts.
func (t target) String() string {
	switch {
	case t.authority != "":
		return t.authority
	case t.parent != "":
		return "*." + t.parent
	}
	return "every host"
}

// hosts are the sites of a resource.
type hosts struct {
	exact []site // by authority; the rest is the same for all resources
	stars []site // the longest parent first
	every site
	ports []uint16
	// spellings are those of all hosts, also of hosts in other shards: the hash of an oddly
	// spelled authority may lead to any shard. The first spelling that matches counts.
	spellings []spelling
	named     bool     // spellings has all hosts, since there are not too many
	blocking  blocking // of all policies
	parents   []string // of the "*." hosts, the longest first
}

// spelling has an expression for names of hosts, and says what the policies that may be
// about one of these hosts may block.
type spelling struct {
	names    []string
	blocking blocking
}

// resolve finds the sites of the keys, and adds them to those of all other authorities.
func (c *compiler) resolve(keys []string) *hosts {
	h := c.hosts
	for _, key := range keys {
		host := withoutPort(key, c.Ports)
		h.exact = append(h.exact, c.site(target{authority: key}, rulesOf(host, host, h.parents, c.layers)))
	}
	return &h
}

// resolveOthers finds the sites of authorities that are not keys.
func (c *compiler) resolveOthers() hosts {
	h, layers := hosts{ports: c.Ports, blocking: blockingOf(c.policies)}, c.layers
	var names, parents []string
	for _, host := range slices.Sorted(maps.Keys(layers)) {
		parent, starred := strings.CutPrefix(host, "*.")
		switch {
		case starred:
			parents = append(parents, parent)
		case host != "":
			names = append(names, host)
		}
	}
	slices.SortFunc(parents, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	h.parents = parents
	for _, parent := range parents {
		h.stars = append(h.stars, c.site(target{parent: parent}, rulesOf("*."+parent, parent, parents, layers)))
	}
	h.every = c.site(target{}, layers[""])
	if h.named = len(names)+len(parents) <= maxNamed; h.named {
		h.spellings = h.spell(names, func(host string) site { return c.site(target{}, rulesOf(host, host, parents, layers)) })
	}
	return h
}

// spell divides the hosts into those with a policy that may block and the others, so
// that a blocking policy does not affect the others.
func (h *hosts) spell(names []string, of func(host string) site) []spelling {
	exact, blocking, starred := spelling{}, spelling{blocking: h.blocking}, spelling{}
	for _, name := range names {
		to := &exact
		if s := of(name); s.blocking() > blocksNothing {
			to = &blocking
		}
		to.names = append(to.names, literal(name))
	}
	for i := range h.stars {
		starred.names = append(starred.names, `\C*\.`+literal(h.stars[i].parent))
		if h.stars[i].blocking() > blocksNothing {
			starred.blocking = h.blocking
		}
	}
	return slices.DeleteFunc([]spelling{exact, blocking, starred}, func(s spelling) bool { return len(s.names) == 0 })
}

// withoutPort cuts one of the ports.
func withoutPort(key string, ports []uint16) string {
	for _, port := range ports {
		if host, ok := strings.CutSuffix(key, ":"+strconv.Itoa(int(port))); ok {
			return host
		}
	}
	return key
}

// rulesOf returns the rules for the name of a host as policies write it: its own,
// those of the "*." hosts that cover it, the longest first, and those of every host.
func rulesOf(name, host string, parents []string, layers map[string][]rule) (rules []rule) {
	rules = slices.Clone(layers[name])
	for _, parent := range parents {
		if strings.HasSuffix(host, "."+parent) {
			rules = append(rules, layers["*."+parent]...)
		}
	}
	return append(rules, layers[""]...)
}

// site makes a site of rules. Those of shadow policies do not act.
func (c *compiler) site(t target, rules []rule) site {
	s := site{target: t}
	for _, r := range rules {
		shadow := r.policy.spec.Mode == policy.ModeShadow
		if unread := !readsOnce(r.path); shadow || unread {
			s.asker, s.unread = r.policy, s.unread || unread
		}
		if !shadow {
			s.rules = append(s.rules, r)
		}
	}
	if end := slices.IndexFunc(s.rules, func(r rule) bool { return r.path == "" }); end >= 0 {
		s.rules = s.rules[:end+1] // the rules after it are never reached
	}
	return s
}

// readsOnce reports whether a policy's normalised path has only one reading, and no
// escape in a request can stand for a byte of it.
func readsOnce(path string) bool {
	_, others, tooMany := policy.ReadPath(path)
	return len(others) == 0 && !tooMany && !strings.Contains(path, "%")
}

// plainPath matches the paths that have one reading, as far as the rules can tell.
func (s *site) plainPath() string {
	for _, r := range s.rules {
		if !unreservedPath.MatchString(r.path) {
			return onePath(strictByte)
		}
	}
	return onePath(looseByte)
}

// unreservedPath matches paths of unreserved characters (RFC 3986, section 2.3).
var unreservedPath = regexp.MustCompile(`^[A-Za-z0-9_~./-]*$`)

// policies returns those of the rules, each once.
func (s *site) policies() (list []*compiled) {
	for _, r := range s.rules {
		if !slices.Contains(list, r.policy) {
			list = append(list, r.policy)
		}
	}
	return list
}

// blocking says what the policies of the site may block.
func (s *site) blocking() blocking { return blockingOf(s.policies()) }

// sites returns all of them.
func (h *hosts) sites() []site { return append(slices.Concat(h.exact, h.stars), h.every) }

// byHost gives a request the node of its site. The branches for odd authorities come
// before the site of every host, which does not look at the authority.
func (c *compiler) byHost(h *hosts, of func(*site) node, odd ...when) node {
	exact := map[string]node{}
	for i := range h.exact {
		if n := of(&h.exact[i]); n != nil {
			exact[h.exact[i].authority] = n
		}
	}
	branches := odd
	for i := range h.stars {
		branches = append(branches, when{matches(authority, `\C+\.`+literal(h.stars[i].parent)+h.port()), of(&h.stars[i])})
	}
	return lookup(authority, exact, first(of(&h.every), branches...))
}

// maxNamed is the most hosts that odd authorities are compared with. If there are more,
// Envoy asks about all odd authorities, so that not every resource names all hosts.
const maxNamed = 1000

// oddAuthority is for requests whose authority is not written as it is looked up: with
// another port, a trailing dot, capital letters or a user name. of gets the policies
// whose hosts it may name.
func (c *compiler) oddAuthority(h *hosts, of func(blocking) node) []when {
	odd := not(matches(authority, plainHost+h.port()))
	if !h.named {
		return []when{{odd, of(h.blocking)}}
	}
	var branches []when
	for _, s := range h.spellings {
		var spellings []string
		for _, name := range s.names {
			spellings = append(spellings, `(?i:(?:\C*@)?`+name+`\.?(?::\C*)?)`)
		}
		branches = append(branches, when{matchesAny(authority, spellings), of(s.blocking)})
	}
	return []when{{odd, first(nil, branches...)}}
}

// port matches no port or one of those that clients write.
func (h *hosts) port() string {
	if len(h.ports) == 0 {
		return ""
	}
	texts := make([]string, len(h.ports))
	for i, port := range h.ports {
		texts[i] = strconv.Itoa(int(port))
	}
	return "(?::(?:" + strings.Join(texts, "|") + "))?"
}

// byPath finds the rule of a request with an Origin and gives it the node of its
// policy.
func (c *compiler) byPath(s *site, preflight bool, of func(*compiled) node) node {
	if s.asker != nil {
		return c.ask(s.blocking(), preflight)
	}
	n := byRule(s.rules, c.noPolicy(), of)
	if len(s.rules) == 0 || s.rules[0].path == "" {
		return n
	}
	return first(n, when{not(matches(path, s.plainPath())), c.ask(s.blocking(), preflight)})
}

// byRule gives requests the node of the first rule that covers the path. Neighbouring
// rules of one policy share a node.
func byRule(rules []rule, otherwise node, of func(*compiled) node) node {
	var branches []when
	for len(rules) > 0 {
		p, n := rules[0].policy, len(rules)
		if rules[0].path == "" {
			return first(of(p), branches...)
		}
		if end := slices.IndexFunc(rules, func(r rule) bool { return r.policy != p }); end >= 0 {
			n = end
		}
		branches = append(branches, when{covers(rules[:n]), of(p)})
		rules = rules[n:]
	}
	return first(otherwise, branches...)
}

// covers holds for paths that one of the rules covers, by whole segments.
func covers(rules []rule) predicate {
	paths := make([]string, len(rules))
	for i, r := range rules {
		paths[i] = literal(r.path) + `(?:[/?#]\C*)?`
	}
	return matchesAny(path, paths)
}

// isStar reports whether a policy's host stands for several.
func isStar(host string) bool { return strings.HasPrefix(host, "*.") }

package nginx

import (
	"fmt"
	"slices"
	"strings"
)

// way is one that a request can take through the configuration: the answers to the
// conditions that were asked, and what came of it.
type way struct {
	asked  []condition
	yes    map[string]bool
	answer answer
}

// maxPaths bounds the ways through a configuration.
const maxPaths = 1 << 14

// explore tries every way that the requests of an origin can take. If there are too many, it
// returns nothing.
func (s *site) explore(origin string) (paths []way) {
	var next []bool
	for len(paths) < maxPaths {
		p := way{yes: map[string]bool{}}
		p.answer = s.answer(origin, func(c condition) bool {
			yes, known := p.yes[c.key()]
			if known {
				return yes
			}
			yes = len(p.asked) < len(next) && next[len(p.asked)]
			p.asked, p.yes[c.key()] = append(p.asked, c), yes
			return yes
		})
		if s.conf.isSpent() {
			return nil
		}
		paths = append(paths, p)
		if next = p.after(); next == nil {
			return paths
		}
	}
	return nil
}

// after returns the answers that lead to the next path, or nothing after the last one.
func (p way) after() []bool {
	last := len(p.asked) - 1
	for last >= 0 && p.yes[p.asked[last].key()] {
		last--
	}
	if last < 0 {
		return nil
	}
	next := make([]bool, last+1)
	for i := range last {
		next[i] = p.yes[p.asked[i].key()]
	}
	next[last] = true
	return next
}

// isSeldom reports whether a condition holds on the path that is told of by itself.
func (p way) isSeldom() bool {
	return slices.ContainsFunc(p.asked, func(c condition) bool { return c.seldom && p.yes[c.key()] })
}

// mayBe reports whether the path can be taken by a request that c holds for.
func (p way) mayBe(c condition) bool {
	yes, asked := p.yes[c.key()]
	return yes || !asked
}

// origins are the conditions about the origin that were asked, as a key.
func (p way) origins() string {
	return p.keyOf(func(c condition) bool { return c.about == varOrigin })
}

// besides are the conditions that were asked besides c, as a key.
func (p way) besides(c condition) string {
	return p.keyOf(func(other condition) bool { return other.key() != c.key() })
}

func (p way) keyOf(which func(condition) bool) string {
	var keys []string
	for _, c := range p.asked {
		if which(c) {
			keys = append(keys, fmt.Sprint(c.key(), p.yes[c.key()]))
		}
	}
	slices.Sort(keys)
	return strings.Join(keys, "\x01")
}

// others returns the conditions of paths that are not about the origin.
func others(paths []way) (found []condition) {
	return conditions(paths, func(c condition) bool { return c.about != varOrigin })
}

// regexes returns the conditions of paths that are about the origin.
func regexes(paths []way) (found []condition) {
	return conditions(paths, func(c condition) bool { return c.about == varOrigin })
}

func conditions(paths []way, which func(condition) bool) (found []condition) {
	seen := map[string]bool{}
	for _, p := range paths {
		for _, c := range p.asked {
			if which(c) && !seen[c.key()] {
				seen[c.key()] = true
				found = append(found, c)
			}
		}
	}
	return found
}

// fork returns the paths on which c may not hold, and those on which it may.
func fork(paths []way, c condition) (no, yes []way) {
	for _, p := range paths {
		holds, asked := p.yes[c.key()]
		if !asked || !holds {
			no = append(no, p)
		}
		if !asked || holds {
			yes = append(yes, p)
		}
	}
	return no, yes
}

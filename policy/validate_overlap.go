package policy

import (
	"fmt"
	"slices"
)

// checkOverlaps finds policies of the same layer that name the same host and the same
// path, so that it would not be clear which of them is chosen. A path that a policy lists
// belongs to that policy, even if another policy's path may be read like it: requests for
// the other path are ambiguous. Enforced policies and those that are off are one layer, and
// shadow policies are another.
func (v *validator) checkOverlaps() {
	for _, shadow := range []bool{false, true} {
		o := overlaps{v: v, compared: map[string]bool{}, reported: map[overlap]bool{}}
		o.checkLayer(shadow)
	}
}

// overlaps compares the policies of one layer.
type overlaps struct {
	v        *validator
	compared map[string]bool // :: indices of specs that share a host
	reported map[overlap]bool
}

// overlap is what is reported once for two specs.
type overlap struct {
	first, second int
	level         Level
}

// claim is a path of a spec.
type claim struct {
	spec int
	path string // as it is written, without trailing slash
	own  bool   // it is about this very path, and not about its other readings
}

func (o *overlaps) checkLayer(shadow bool) {
	sharing := map[string][]int{} // :: host -> specs
	var hosts []string            // in order of first use
	for i, m := range o.v.memos {
		if (m.spec.Mode == ModeShadow) != shadow {
			continue
		}
		for _, h := range orEvery(m.spec.Hosts, "*") {
			have := sharing[h]
			if len(have) == 0 {
				hosts = append(hosts, h)
			}
			if len(have) == 0 || have[len(have)-1] != i {
				sharing[h] = append(have, i)
			}
		}
	}
	for _, h := range hosts {
		o.compare(h, sharing[h])
	}
}

// orEvery returns the list, or every if it is empty.
func orEvery(list []string, every string) []string {
	if len(list) == 0 {
		return []string{every}
	}
	return list
}

// compare finds a path that two of the specs that share host share too. The same
// specs are compared once, however many hosts they share.
func (o *overlaps) compare(host string, sharing []int) {
	if len(sharing) < 2 {
		return
	}
	key := fmt.Sprint(sharing)
	if o.compared[key] {
		return
	}
	o.compared[key] = true
	claims := map[string]claim{} // :: path
	for _, own := range []bool{true, false} {
		for _, i := range sharing {
			for _, p := range orEvery(o.v.memos[i].spec.Paths, "/") {
				o.enter(claims, host, claim{spec: i, path: trimPrefix(p), own: own})
			}
		}
	}
}

// enter adds c with its path, or with the path's other readings. If two specs have a reading
// in common that no spec lists, a page could choose between them.
func (o *overlaps) enter(claims map[string]claim, host string, c claim) {
	paths := prefixes(c.path)
	if c.own {
		paths = paths[:1]
	} else {
		paths = paths[1:]
	}
	for _, path := range paths {
		switch first, taken := claims[path]; {
		case !taken:
			claims[path] = c
		case first.spec != c.spec && first.own == c.own:
			o.report(first, c, host, path)
		}
	}
}

func (o *overlaps) report(first, second claim, host, path string) {
	a, b := &o.v.memos[first.spec].spec, &o.v.memos[second.spec].spec
	level := Error
	if first.path != second.path && answersAlike(o.v.memos[first.spec], o.v.memos[second.spec]) {
		level = Warning // the page gains nothing
	}
	key := overlap{first.spec, second.spec, level}
	if o.reported[key] {
		return
	}
	o.reported[key] = true
	where := "every host"
	if host != "*" {
		where = host
	}
	field := ""
	if k := slices.IndexFunc(b.Paths, func(p string) bool { return trimPrefix(p) == second.path }); k >= 0 {
		field = at("paths", k)
	} else if k := slices.Index(b.Hosts, host); k >= 0 {
		field = at("hosts", k)
	}
	o.v.spec = second.spec
	o.v.add(level, "policy-overlap", field, where+path,
		fmt.Sprintf("policies %q and %q both cover it, and neither is more specific", clip(a.Name), clip(b.Name)),
		"give one of them a longer path or another host, or make it one policy")
}

// answersAlike reports whether a and b differ only in their names and in what
// they cover.
func answersAlike(a, b *Memo) bool {
	answers := func(m *Memo) specHash {
		m.finish()
		s := m.normal
		s.Name, s.Hosts, s.Paths = "", nil, nil
		return hashOf(&s)
	}
	return answers(a) == answers(b)
}

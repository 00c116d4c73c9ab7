package explain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy"
)

// maxOthers bounds the policies that a report names besides the chosen one.
const maxOthers = 5

// other is a policy that was not chosen, and how far it was from that.
type other struct {
	Other
	distance int // 0 is the nearest
}

// choice says which policy is chosen and why, by the definition that the Set's
// index agrees with.
func (ps Policies) choice(a asked) Choice {
	if a.Policy != "" {
		return ps.named(a.Policy)
	}
	specs := ps.Set.Specs()
	best, scope := ps.best(a, a.path, false)
	asked, _, _ := strings.Cut(a.url.RequestURI(), "?") // as it is sent
	c := Choice{Why: "no policy covers " + a.url.Host + asked + ": nothing is touched, the upstream's answer comes back as it is"}
	if best >= 0 {
		s := &specs[best]
		c = Choice{Name: s.Name, Mode: modeOf(s), Why: covers(scope)}
	}
	c.Otherwise = ps.otherwise(a, best)
	var others []other
	for i := range specs {
		if i == best || chosenOtherwise(c.Otherwise, specs[i].Name) {
			continue
		}
		others = nearest(others, passedOver(&specs[i], scope, a))
		c.More++
	}
	for _, o := range others {
		c.Others = append(c.Others, o.Other)
		c.More--
	}
	return c
}

// chosenOtherwise reports whether another reading chooses the policy.
func chosenOtherwise(list []Other, name string) bool {
	return slices.ContainsFunc(list, func(o Other) bool { return o.Name == name })
}

// otherwise returns the policies that other readings of the path, and of the policies'
// own paths, choose, except the one at chosen.
func (ps Policies) otherwise(a asked, chosen int) (list []Other) {
	for _, reading := range append([]string{a.path}, a.readings...) {
		best, scope := ps.best(a, reading, true)
		if best == chosen {
			continue
		}
		o := Other{Why: "applications may read the path as " + reading}
		if best < 0 {
			o.Why += ", which no policy covers"
		} else {
			o.Name, o.Why = ps.Set.Specs()[best].Name, o.Why+": "+covers(scope)
		}
		if !slices.Contains(list, o) {
			list = append(list, o)
		}
	}
	return list
}

// best returns the index of the enforced policy that is chosen for that reading of the
// path, or -1.
func (ps Policies) best(a asked, path string, other bool) (index int, scope policy.Scope) {
	index = -1
	specs := ps.Set.Specs()
	for i := range specs {
		if specs[i].Mode == policy.ModeShadow {
			continue
		}
		sc := specs[i].Scope(a.url.Host, path, other)
		if sc.Covers() && (index < 0 || sc.Beats(scope)) {
			index, scope = i, sc
		}
	}
	return index, scope
}

func (ps Policies) named(name string) Choice {
	s := ps.spec(name)
	if s == nil {
		return Choice{Why: fmt.Sprintf("Envoy names the policy %q, and no policy has that name: everything is denied", name)}
	}
	return Choice{Name: name, Mode: modeOf(s), Why: "Envoy names it, whatever its hosts and paths are"}
}

func modeOf(s *policy.Spec) string { return string(cmp.Or(s.Mode, policy.ModeEnforce)) }

// covers says which host and path of a policy cover the request.
func covers(sc policy.Scope) string {
	host, path := "it is for every host", "every path"
	if sc.Host != "" {
		host = "its host is " + sc.Host
	}
	if sc.Path != "" {
		path = "its path is " + sc.Path
	}
	return host + ", " + path
}

// passedOver says why best was chosen, and not s.
func passedOver(s *policy.Spec, best policy.Scope, a asked) other {
	sc := s.Scope(a.url.Host, a.path, false)
	o := other{Other: Other{Name: s.Name}}
	switch {
	case s.Mode == policy.ModeShadow && sc.Covers():
		o.Why = "it is in shadow: it is decided, and changes nothing"
	case sc.Covers() && sc.Host != best.Host:
		o.Why = covers(sc) + ", but another host is more specific"
	case sc.Covers():
		o.Why = covers(sc) + ", but another path is longer"
	case sc.HostCovers:
		o.Why, o.distance = "its host covers the request, its paths do not: "+listed(s.Paths), 1
	default:
		o.Why, o.distance = hostMiss(s, a)
		o.distance += 2
	}
	return o
}

// hostMiss says how near the hosts of s are to the request's.
func hostMiss(s *policy.Spec, a asked) (why string, distance int) {
	host := strings.ToLower(a.url.Hostname())
	for _, h := range s.Hosts {
		h = strings.ToLower(h)
		switch parent, star := strings.CutPrefix(h, "*."); {
		case star && parent == host:
			return host + " itself is not covered by " + h, 0
		case !star && strings.HasSuffix(host, "."+h):
			return "its host is " + h + ", which does not cover what is below it", 0
		case misspelt(h, host):
			return "its host is spelled " + h, 0
		}
	}
	return "its hosts are others: " + listed(s.Hosts), 1
}

// listed writes the first entries of a list.
func listed(list []string) string {
	const most = 3
	if len(list) <= most {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
}

// nearest adds o to the few nearest, the nearest first.
func nearest(list []other, o other) []other {
	i, _ := slices.BinarySearchFunc(list, o.distance+1, func(e other, d int) int { return cmp.Compare(e.distance, d) })
	if i == maxOthers {
		return list
	}
	list = slices.Insert(list, i, o)
	return list[:min(len(list), maxOthers)]
}

package policydiff

import (
	"strings"

	"github.com/corsgate/corsgate/policy"
)

// The bounds of the origins that a pair of policies is asked about, besides those that only
// one of them lists.
const (
	maxCommon     = 64
	maxNearMisses = 10_000
)

// strangers are origins that no policy is meant for.
var strangers = []string{"https://attacker.example", "http://attacker.example", "https://attacker.example:8443", "null"}

// probeOrigins returns origins that may show a difference between two policies. If it left
// out near misses of some, bounded is true.
func probeOrigins(old, now *policy.Spec) (origins []string, bounded bool) {
	p := originProbes{seen: map[string]bool{}}
	a, b := entries(old), entries(now)
	common := 0
	for _, list := range [][]string{old.CORS.AllowOrigins, now.CORS.AllowOrigins} {
		for _, text := range list {
			if a[text] && b[text] {
				if common++; common > maxCommon {
					continue
				}
			}
			p.addPattern(text)
		}
	}
	p.addRegexes(old.CORS.AllowOriginRegexes)
	p.addRegexes(now.CORS.AllowOriginRegexes)
	p.add(strangers...)
	return p.list, p.missed > maxNearMisses
}

// entries returns allowOrigins as a set.
func entries(s *policy.Spec) map[string]bool {
	set := make(map[string]bool, len(s.CORS.AllowOrigins))
	for _, text := range s.CORS.AllowOrigins {
		set[text] = true
	}
	return set
}

// originProbes collects origins, each once.
type originProbes struct {
	list   []string
	seen   map[string]bool
	missed int // patterns whose near misses were asked for
}

func (p *originProbes) add(origins ...string) {
	for _, o := range origins {
		if !p.seen[o] {
			p.seen[o] = true
			p.list = append(p.list, o)
		}
	}
}

func (p *originProbes) addRegexes(list []string) {
	for _, expr := range list {
		p.add(policy.RegexProbes(expr)...)
	}
}

// addPattern adds origins that an entry of allowOrigins matches, and origins that it nearly
// matches.
func (p *originProbes) addPattern(text string) {
	pattern, err := policy.ParsePattern(text)
	if err != nil {
		return // a set that compiled has none
	}
	members := members(pattern)
	for _, o := range members {
		p.add(o.String())
	}
	if pattern.Form == policy.FormNull {
		p.add("null")
	}
	if p.missed++; p.missed > maxNearMisses {
		return
	}
	for _, o := range members {
		p.addNear(o, pattern)
	}
}

// members returns origins that a pattern matches, one for each thing that its
// stars may stand for.
func members(p policy.Pattern) []policy.Origin {
	if p.Form == policy.FormAny || p.Form == policy.FormNull {
		return nil // the strangers
	}
	ports := []int{p.Port}
	if p.Port == policy.AnyPort {
		ports = []int{0, 8443}
	}
	var list []policy.Origin
	for _, host := range memberHosts(p) {
		for _, port := range ports {
			list = append(list, policy.Origin{Scheme: p.Scheme, Host: host, Port: port})
		}
	}
	return list
}

func memberHosts(p policy.Pattern) []string {
	switch p.Form {
	case policy.FormLabel:
		return []string{p.Prefix + "a" + p.Suffix + "." + p.Host}
	case policy.FormSubdomain:
		return []string{"a." + p.Host, "a.b." + p.Host}
	case policy.FormAnyHost:
		return []string{"a.example", "attacker.example"}
	}
	return []string{p.Host}
}

// addNear adds other origins that look like o, a member of p.
func (p *originProbes) addNear(o policy.Origin, pattern policy.Pattern) {
	scheme, port := o, o
	scheme.Scheme = "http"
	if o.Scheme == "http" {
		scheme.Scheme = "https"
	}
	if port.Port = 0; o.Port == 0 {
		port.Port = 8443
	}
	p.addParsed(scheme, port)
	if strings.HasPrefix(o.Host, "[") {
		return // an address has no labels
	}
	for _, host := range nearHosts(o.Host, pattern.Host) {
		near := o
		near.Host = host
		p.addParsed(near)
	}
}

// nearHosts returns hosts around host, which a pattern with that parent
// matches: the apex, a deeper label, and what somebody else can register.
func nearHosts(host, parent string) []string {
	near := []string{"x." + host, "x" + host, "x-" + host, host + ".attacker.example"}
	if parent != "" && parent != host {
		near = append(near, parent, "x"+parent, "attacker"+strings.ReplaceAll(parent, ".", "-")+".example")
	}
	if _, up, found := strings.Cut(host, "."); found {
		near = append(near, up)
	}
	return near
}

// addParsed adds the texts that are origins.
func (p *originProbes) addParsed(list ...policy.Origin) {
	for _, o := range list {
		if _, err := policy.ParseOrigin(o.String()); err == nil {
			p.add(o.String())
		}
	}
}

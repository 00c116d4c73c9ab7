package policy

import (
	"regexp"
	"strings"
)

// originIndex says whether one of a policy's patterns allows an origin. The time does not
// grow with their number: one look-up for exact origins, then one for each label of the
// host. It agrees with Pattern.Matches.
type originIndex struct {
	exact   map[string]struct{}   // :: serialized origin, of exact hosts and ports
	hosts   map[string]*hostRules // :: exact host, or what stands right of a star's label
	anyHost endpoints
	any     bool // "*" with credentials, by opt-in; never what isAnybodys
	null    bool
	regexes []*regexp.Regexp
}

// hostRules are the patterns that share a Host.
type hostRules struct {
	anyPort    endpoints                       // FormExact with AnyPort
	subdomains endpoints                       // FormSubdomain
	labels     map[string]map[string]endpoints // FormLabel :: prefix -> suffix
}

// endpoint is a scheme with a port, 0 or AnyPort.
type endpoint struct {
	scheme string
	port   int
}

type endpoints []endpoint

func (es endpoints) has(o Origin) bool {
	for _, e := range es {
		if e.scheme == o.Scheme && (e.port == AnyPort || e.port == o.Port) {
			return true
		}
	}
	return false
}

// originMatch is what an originIndex says about an Origin header.
type originMatch uint8

const (
	originDenied originMatch = iota
	originMalformed
	originAllowed
)

// match looks up the value of an Origin header. It compares the exact bytes of the value
// (Fetch, #cors-check). If the value is not a serialized origin, it looks at each byte at
// most once, whatever the length.
func (x *originIndex) match(value string) originMatch {
	if len(value) > maxOriginLen {
		return originMalformed
	}
	if _, ok := x.exact[value]; ok {
		return originAllowed
	}
	if value == "null" {
		return allowedIf(x.null)
	}
	o, ok := parseOrigin(value)
	if !ok {
		return originMalformed
	}
	return allowedIf(x.anyHost.has(o) || x.matchHost(o) || x.matchBroadly(o, value))
}

// matchBroadly is for entries that name no scheme, or may not: "*" with credentials, and
// regexes. An origin that anybody can send must be listed, like "null".
func (x *originIndex) matchBroadly(o Origin, value string) bool {
	if !x.any && len(x.regexes) == 0 || o.Anybodys() {
		return false
	}
	return x.any || x.matchRegex(value)
}

func allowedIf(ok bool) originMatch {
	if ok {
		return originAllowed
	}
	return originDenied
}

func (x *originIndex) matchHost(o Origin) bool {
	if len(x.hosts) == 0 {
		return false
	}
	if r := x.hosts[o.Host]; r != nil && r.anyPort.has(o) {
		return true
	}
	label, parent, found := strings.Cut(o.Host, ".")
	found = found && label != "" // a star does not stand for an empty label
	if r := x.hosts[parent]; found && r != nil && r.matchLabel(label, o) {
		return true
	}
	for found {
		if r := x.hosts[parent]; r != nil && r.subdomains.has(o) {
			return true
		}
		_, parent, found = strings.Cut(parent, ".")
	}
	return false
}

// matchLabel tries each way of cutting label into prefix, star and suffix. A
// prefix ends and a suffix begins with a hyphen, or is empty.
func (r *hostRules) matchLabel(label string, o Origin) bool {
	if len(r.labels) == 0 {
		return false
	}
	for end := 0; end < len(label); end++ {
		if end > 0 && label[end-1] != '-' {
			continue
		}
		if suffixes := r.labels[label[:end]]; suffixes != nil && matchSuffix(suffixes, label[end:], o) {
			return true
		}
	}
	return false
}

// matchSuffix tries each way of cutting rest into star and suffix. The star
// stands for one or more of [a-z0-9-], so it ends before any other byte.
func matchSuffix(suffixes map[string]endpoints, rest string, o Origin) bool {
	for i := 1; i <= len(rest) && isStarByte(rest[i-1]); i++ {
		if i < len(rest) && rest[i] != '-' {
			continue
		}
		if suffixes[rest[i:]].has(o) {
			return true
		}
	}
	return false
}

func (x *originIndex) matchRegex(value string) bool {
	for _, re := range x.regexes {
		if re.MatchString(value) {
			return true
		}
	}
	return false
}

// compileOrigins builds the index of c. Its entries have been judged, so each of them
// parses. A single "*" without credentials needs no index: the policy is public.
func compileOrigins(c *CORS) originIndex {
	x := originIndex{exact: make(map[string]struct{}, len(c.AllowOrigins)), hosts: map[string]*hostRules{}}
	for _, text := range c.AllowOrigins {
		if text != "null" && strings.IndexByte(text, '*') < 0 {
			x.exact[text] = struct{}{} // all other forms have a star
		} else if p, err := ParsePattern(text); err == nil {
			x.add(p)
		}
	}
	for _, text := range c.AllowOriginRegexes {
		if re, err := CompileRegex(text); err == nil {
			x.regexes = append(x.regexes, re)
		}
	}
	return x
}

// add adds a pattern that is more than one origin.
func (x *originIndex) add(p Pattern) {
	at := endpoint{p.Scheme, p.Port}
	switch p.Form {
	case FormAny:
		x.any = true
	case FormNull:
		x.null = true
	case FormAnyHost:
		x.anyHost = append(x.anyHost, at)
	case FormSubdomain:
		r := x.rules(p.Host)
		r.subdomains = append(r.subdomains, at)
	case FormLabel:
		x.rules(p.Host).addLabel(p, at)
	case FormExact:
		r := x.rules(p.Host)
		r.anyPort = append(r.anyPort, at)
	}
}

func (x *originIndex) rules(host string) *hostRules {
	r := x.hosts[host]
	if r == nil {
		r = &hostRules{}
		x.hosts[host] = r
	}
	return r
}

func (r *hostRules) addLabel(p Pattern, at endpoint) {
	if r.labels == nil {
		r.labels = map[string]map[string]endpoints{}
	}
	suffixes := r.labels[p.Prefix]
	if suffixes == nil {
		suffixes = map[string]endpoints{}
		r.labels[p.Prefix] = suffixes
	}
	suffixes[p.Suffix] = append(suffixes[p.Suffix], at)
}

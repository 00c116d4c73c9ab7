package policy

import "strings"

// starred are the patterns of a list that match more than one origin.
type starred map[Pattern]struct{}

func newStarred(list []string) starred {
	set := starred{}
	for _, text := range list {
		if strings.IndexByte(text, '*') < 0 {
			continue
		}
		if p, err := ParsePattern(text); err == nil && p.Form != FormAny {
			set[p] = struct{}{}
		}
	}
	return set
}

func (set starred) has(p Pattern) bool {
	_, ok := set[p]
	return ok
}

// covering returns another pattern of the set that covers q. It looks up what
// could, so that its time does not grow with the set.
func (set starred) covering(q Pattern) (Pattern, bool) {
	if len(set) == 0 {
		return Pattern{}, false
	}
	for _, port := range []int{q.Port, AnyPort} {
		if p, ok := set.coveringAt(q, port); ok {
			return p, true
		}
	}
	return Pattern{}, false
}

// coveringAt is covering among the patterns with the given port.
func (set starred) coveringAt(q Pattern, port int) (Pattern, bool) {
	for _, p := range []Pattern{
		{Form: q.Form, Scheme: q.Scheme, Host: q.Host, Prefix: q.Prefix, Suffix: q.Suffix, Port: port},
		{Form: FormAnyHost, Scheme: q.Scheme, Port: port},
	} {
		if p != q && set.has(p) {
			return p, true
		}
	}
	if p, ok := set.coveringLabel(q, port); ok {
		return p, true
	}
	for host := q.Host; host != ""; {
		p := Pattern{Form: FormSubdomain, Scheme: q.Scheme, Host: host, Port: port}
		if p != q && set.has(p) && p.Covers(q) {
			return p, true
		}
		_, host, _ = strings.Cut(host, ".")
	}
	return Pattern{}, false
}

// coveringLabel looks for a pattern within the leftmost label of q. Its star
// is delimited by hyphens or the label's edge.
func (set starred) coveringLabel(q Pattern, port int) (Pattern, bool) {
	prefix, suffix, parent := q.Prefix, q.Suffix, q.Host
	if q.Form == FormExact {
		prefix, parent, _ = strings.Cut(q.Host, ".")
		suffix = prefix
	} else if q.Form != FormLabel {
		return Pattern{}, false
	}
	for _, pre := range upToHyphens(prefix) {
		for _, suf := range fromHyphens(suffix) {
			p := Pattern{Form: FormLabel, Scheme: q.Scheme, Host: parent, Prefix: pre, Suffix: suf, Port: port}
			if p != q && set.has(p) && p.Covers(q) {
				return p, true
			}
		}
	}
	return Pattern{}, false
}

// upToHyphens returns "" and what of label ends in a hyphen.
func upToHyphens(label string) []string {
	cuts := []string{""}
	for i := range len(label) {
		if label[i] == '-' {
			cuts = append(cuts, label[:i+1])
		}
	}
	return cuts
}

// fromHyphens returns "" and what of label begins with a hyphen.
func fromHyphens(label string) []string {
	cuts := []string{""}
	for i := range len(label) {
		if label[i] == '-' {
			cuts = append(cuts, label[i:])
		}
	}
	return cuts
}

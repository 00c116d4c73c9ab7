package importer

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/policy"
)

// maxName leaves room for a number and a word behind a name, which has at most 63 characters.
const maxName = 50

// nameOf returns what a policy of r can be called.
func nameOf(r *source.Route) string {
	text := cmp.Or(r.Name, strings.Join(r.Hosts[:min(1, len(r.Hosts))], ""))
	for _, p := range r.Paths {
		if r.Name == "" && p.Kind != source.RegexPath {
			text += p.Text.Text
			break
		}
	}
	name := strings.Map(func(c rune) rune {
		if policy.IsName(string(c)) {
			return c
		}
		return '-'
	}, strings.ToLower(text))
	for strings.Contains(name, "--") {
		name = strings.ReplaceAll(name, "--", "-")
	}
	name = strings.Trim(name, "-")
	return cmp.Or(strings.Trim(name[:min(len(name), maxName)], "-"), "imported")
}

// unique returns base, with a number if it is taken.
func (w *writer) unique(base string) string {
	name := base
	for n := 2; w.names[name]; n++ {
		name = fmt.Sprintf("%s-%d", base, n)
	}
	w.names[name] = true
	return name
}

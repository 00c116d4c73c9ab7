package importer

import (
	"cmp"
	"slices"
	"strings"
)

// index finds the lanes of a host by path.
type index struct {
	lanes  []*lane            // in the order of precedence
	byText map[string][]match // :: the text of a path, in lower case if it is compared without case
	dotted []match            // paths with dots that are any character
}

// match is a lane with one of its paths.
type match struct {
	lane *lane
	path path
}

func newIndex() *index { return &index{byText: map[string][]match{}} }

func (x *index) add(l *lane) {
	if len(x.lanes) > 0 && x.lanes[len(x.lanes)-1] == l {
		return
	}
	x.lanes = append(x.lanes, l)
	for _, p := range l.paths {
		if len(p.dots) > 0 {
			x.dotted = append(x.dotted, match{l, p})
			continue
		}
		key := p.start()
		x.byText[key] = append(x.byText[key], match{l, p})
	}
}

// matching returns the lanes that match a path, in their order, each with the first of its
// longest paths that do.
func (x *index) matching(text string) (found []match) {
	if x == nil {
		return nil
	}
	lower := strings.ToLower(text)
	for i := range len(text) + 1 {
		found = collect(found, x.byText[text[:i]], text)
		if lower[:i] != text[:i] {
			found = collect(found, x.byText[lower[:i]], text)
		}
	}
	found = collect(found, x.dotted, text)
	slices.SortStableFunc(found, func(a, b match) int {
		return cmp.Or(a.lane.rank-b.lane.rank, b.path.Length()-a.path.Length())
	})
	return slices.CompactFunc(found, func(a, b match) bool { return a.lane == b.lane })
}

// collect adds those of matches whose paths match.
func collect(found, matches []match, text string) []match {
	for _, m := range matches {
		if m.path.matches(text) {
			found = append(found, m)
		}
	}
	return found
}

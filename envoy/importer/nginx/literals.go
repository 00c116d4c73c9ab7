package nginx

import (
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/prove"
)

// literalEntry is an origin that the configuration names.
type literalEntry struct {
	entry
	origin    string // as a browser sends it, if that can be
	isDecided bool
	isAlike   bool // another one is that gets the same answer
}

// literals asks for each origin that the configuration names as a text. New ones may
// turn up while it asks.
func (s *site) literals() (found []literalEntry) {
	listed := map[prove.Regex]bool{}
	kinds := map[string]literalEntry{}
	for i := 0; i < len(s.conf.seen); i++ {
		seen := s.conf.seen[i]
		alike, known := kinds[s.conf.kindOf(seen)]
		e, ok := s.literal(seen, alike, known)
		if !ok {
			s.tooMany()
			continue
		}
		if kind := s.conf.kindOf(seen); kind != "" && !known {
			kinds[kind] = e
		}
		if !listed[e.Regex] {
			listed[e.Regex] = true
			found = append(found, e)
		}
	}
	return found
}

// literal asks for an origin, unless the answer to one that is alike is known.
func (s *site) literal(seen seenOrigin, alike literalEntry, known bool) (e literalEntry, ok bool) {
	origin := seen.Text.Text
	if seen.fold {
		origin = strings.ToLower(origin)
	}
	e = literalEntry{origin: origin, isAlike: known, isDecided: alike.isDecided}
	e.answer = alike.answer
	if !known {
		paths := s.explore(origin)
		if paths == nil {
			return e, false
		}
		if paths, ok := s.usual(paths, "the origins that are named, and for which it makes a difference, are left out"); ok {
			e.answer, e.isDecided = paths[0].answer, true
		}
	}
	e.Text = source.Text{Place: seen.Place, Text: seen.Text.Text}
	e.Regex = prove.Literal(origin)
	if _, err := policy.ParsePattern(origin); err != nil || origin != strings.ToLower(origin) {
		e.Meant = meant(origin)
	}
	if origin != strings.ToLower(origin) && s.conf.folds(origin) {
		s.findings.add(source.Finding{
			Fidelity: source.Decide, Place: seen.Place, Field: "map", Value: origin,
			Message: "the map matches without case, but answers in upper case, which no browser accepts: the origin is refused today",
			Hint:    "write it in lower case if it is meant",
		})
	}
	return e, true
}

// meant are the patterns that a text was probably written for.
func meant(text string) (patterns []string) {
	for _, part := range policy.SplitList(text) {
		p := policy.MeantPattern(part)
		if p == "" {
			return nil
		}
		patterns = append(patterns, p)
	}
	return patterns
}

// isSent reports whether a browser may send the origin.
func (l literalEntry) isSent() bool {
	_, err := policy.ParseOrigin(l.origin)
	return err == nil || l.origin == "null"
}

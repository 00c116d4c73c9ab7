package nginx

import (
	"fmt"
	"maps"
	"slices"

	"github.com/corsgate/corsgate/envoy/importer/source"
)

// tooMany tells of a location that is not followed to the end.
func (s *site) tooMany() {
	f := source.Finding{
		Fidelity: source.Decide, Place: s.place(), Message: fmt.Sprintf("more than %d combinations of conditions decide about CORS: nothing is imported for %s", maxPaths, s.location.what()),
		Hint: "write the origins into one map of $http_origin",
	}
	switch {
	case s.conf.told:
		return
	case s.conf.isSpent():
		s.conf.told = true
		f.Message = "the configuration takes too long to follow: nothing is imported for this location and all that are read after it"
		f.Hint = "import its servers one by one"
	}
	s.findings.add(f)
}

// usual returns the paths on which no other condition holds, if that is the whole story.
// Otherwise, left says what comes of it.
func (s *site) usual(paths []way, left string) (usual []way, ok bool) {
	open := slices.DeleteFunc(others(paths), func(c condition) bool {
		no, yes := fork(paths, c)
		isEnded := ended(no, yes)
		if isEnded {
			paths = no
			f := source.Finding{
				Fidelity: source.Differs, Place: c.Place, Field: c.directive(), Value: c.Text.Text,
				Message: endedMessage(yes[0].answer),
			}
			if c.lack != "" && yes[0].answer.verdict == denied && !slices.ContainsFunc(no, func(p way) bool { return p.answer.sends(c.lack) }) {
				f.Fidelity = source.Widened
				f.Message = fmt.Sprintf("if this holds, nginx answers with %d by itself, without the CORS headers, and no page that may read can make a browser send %s: none reads anything today; corsgate adds the headers to every answer", yes[0].answer.status, c.lack)
				f.Hint = "leave the policy out if no page is meant to read"
			}
			s.findings.add(f)
		}
		if !isEnded && c.seldom {
			if !s.isNeedless(paths, c) {
				s.findings.add(source.Finding{
					Fidelity: source.Decide, Place: c.Place, Field: c.directive(), Value: c.Text.Text,
					Message: "another location answers then, with other CORS headers; the policy decides as if it did not hold",
					Hint:    "write a policy for the paths of folders, if pages read their index",
				})
			}
			paths = no
			return true
		}
		return isEnded
	})
	for len(open) > 0 {
		i := slices.IndexFunc(open, func(c condition) bool { return s.isNeedless(paths, c) })
		if s.conf.isSpent() {
			s.tooMany()
			return nil, false
		}
		if i < 0 {
			s.findings.add(source.Finding{
				Fidelity: source.Decide, Place: open[0].Place, Field: open[0].directive(), Value: open[0].Text.Text,
				Message: "what nginx answers depends on this, which a policy cannot say: " + left,
				Hint:    "write a policy for each case, told apart by hosts and paths",
			})
			return nil, false
		}
		paths, _ = fork(paths, open[i])
		open = slices.Delete(open, i, i+1)
	}
	return paths, true
}

// isNeedless reports whether the same origins get the same answers, whether c holds or not.
func (s *site) isNeedless(paths []way, c condition) bool {
	for _, p := range paths {
		s.conf.steps += len(p.asked)
	}
	if s.conf.isSpent() {
		return false
	}
	no, yes := fork(paths, c)
	if all := byKey(paths, func(way) string { return "" }); len(all[""]) == 1 {
		return true
	}
	return isAlike(no, yes, way.origins) || isAlike(no, yes, func(p way) string { return p.besides(c) })
}

// isAlike reports whether the ways of one key all have one answer.
func isAlike(no, yes []way, key func(way) string) bool {
	with, without := byKey(yes, key), byKey(no, key)
	for k, answers := range with {
		maps.Copy(answers, without[k])
		if len(answers) != 1 || len(without[k]) == 0 {
			return false
		}
	}
	return true
}

// byKey returns the answers to the ways of each key.
func byKey(paths []way, key func(way) string) map[string]map[string]bool {
	found := map[string]map[string]bool{}
	for _, p := range paths {
		k := key(p)
		if found[k] == nil {
			found[k] = map[string]bool{}
		}
		found[k][p.answer.key()] = true
	}
	return found
}

func endedMessage(a answer) string {
	if a.verdict == denied {
		return fmt.Sprintf("if this holds, nginx answers with %d by itself, without the CORS headers; corsgate adds them to every answer", a.status)
	}
	return fmt.Sprintf("if this holds, nginx answers with %d by itself; corsgate decides as if it did not hold", a.status)
}

// ended reports whether nginx ends each request of yes itself, in a way that allows no more than
// what those of no get, and those of no go on.
func ended(no, yes []way) bool {
	readers := map[string]bool{"": true}
	for _, p := range no {
		readers[p.answer.readers()] = true
	}
	return len(readers) > 1 && !slices.ContainsFunc(yes, func(p way) bool {
		return !p.answer.ended || !readers[p.answer.readers()] || p.answer.verdict != denied && p.answer.status < 400
	})
}

package nginx

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy/prove"
)

// uri is what is known of a path: what it begins and ends with, and whether that is all.
type uri struct {
	begin, end string
	whole      bool
	// from is the location whose requests have this path without end, nil if there is none;
	// those for a folder if isFolder says so.
	from     *location
	isFolder bool
}

// String writes a path in a message.
func (u uri) String() string {
	if u.whole {
		return u.begin
	}
	return u.begin + "…" + u.end
}

// mayBe reports whether the path may be that one.
func (u uri) mayBe(path string) bool {
	if u.whole {
		return path == u.begin
	}
	return len(path) >= len(u.begin) && strings.HasPrefix(path, u.begin) && strings.HasSuffix(path, u.end)
}

// certainty says whether something holds for a path of which not all is known.
type certainty uint8

const (
	maybe certainty = iota
	never
	surely
)

// isFor says whether the path matches that of a location.
func (u uri) isFor(l *location) certainty {
	switch {
	case l.isRegex():
		return u.matches(l.regex)
	case l.isPrefix() && strings.HasPrefix(u.begin, l.path), l.isExact() && u.whole && l.path == u.begin:
		return surely
	case l.isPrefix() && !u.whole && strings.HasPrefix(l.path, u.begin), l.isExact() && u.mayBe(l.path):
		return maybe
	}
	return never
}

// matches says whether a regex matches somewhere in the path.
func (u uri) matches(r *pathRegex) certainty {
	switch {
	case u.whole && r.err != nil:
		return maybe
	case u.whole && r.MatchString(u.begin):
		return surely
	case u.whole:
		return never
	case !r.isRead:
		return maybe
	case r.begins && !compatible(r.cased(u.begin), r.begin, strings.HasPrefix):
		return never
	case r.ends && !compatible(r.cased(u.end), r.end, strings.HasSuffix):
		return never
	case r.open && r.begins && strings.HasPrefix(r.cased(u.begin), r.begin):
		return surely
	case r.open && !r.begins && strings.Contains(r.cased(u.begin), r.begin):
		return surely
	}
	return maybe
}

// compatible reports whether a text may begin, or end, with both.
func compatible(a, b string, has func(string, string) bool) bool { return has(a, b) || has(b, a) }

// pathRegex is a regex over paths, which is read once.
type pathRegex struct {
	*regexp.Regexp
	err error
	shape
	isRead bool // RE2 reads it, and shape is what it says
}

func newPathRegex(r prove.Regex) *pathRegex {
	p := &pathRegex{}
	p.Regexp, p.err = r.Compile()
	p.shape, p.isRead = shapeOf(r)
	return p
}

// mayEndIn reports whether what the regex matches may end within the last part of a path.
func (r *pathRegex) mayEndIn(last string) bool {
	if !r.isRead || r.ends {
		return true
	}
	for k := range last {
		if compatible(r.cased(last[:k+1]), r.end, strings.HasSuffix) {
			return true
		}
	}
	return false
}

// shape is what a regex over paths begins and ends with.
type shape struct {
	begins, ends bool   // it is anchored there
	begin, end   string // literals
	open         bool   // anything may follow begin, and nothing else has to
	fold         bool
}

func (s shape) cased(text string) string {
	if s.fold {
		return strings.ToLower(text)
	}
	return text
}

// shapeOf reads a regex, if it is one that RE2 reads.
func shapeOf(r prove.Regex) (s shape, ok bool) {
	flags := syntax.Perl
	if r.Fold {
		flags |= syntax.FoldCase
	}
	tree, err := syntax.Parse(r.Expr, flags)
	if err != nil {
		return s, false
	}
	parts := []*syntax.Regexp{tree}
	if tree.Op == syntax.OpConcat {
		parts = slices.Clone(tree.Sub)
	}
	s.begins, s.ends = parts[0].Op == syntax.OpBeginText, parts[len(parts)-1].Op == syntax.OpEndText
	parts = slices.DeleteFunc(parts, isAnchor)
	if len(parts) > 0 {
		s.begin = s.literal(parts[0])
		s.end = s.literal(parts[len(parts)-1])
	}
	if s.begin != "" {
		parts = parts[1:]
	}
	s.open = len(parts) == 0 && !s.ends || len(parts) == 1 && isAnything(parts[0])
	s.begin, s.end = s.cased(s.begin), s.cased(s.end)
	return s, true
}

func (s *shape) literal(re *syntax.Regexp) string {
	if re.Op != syntax.OpLiteral {
		return ""
	}
	s.fold = s.fold || re.Flags&syntax.FoldCase != 0
	return string(re.Rune)
}

// isAnything reports whether a regex matches every text of a path.
func isAnything(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpCapture:
		return isAnything(re.Sub[0])
	case syntax.OpStar:
		return re.Sub[0].Op == syntax.OpAnyChar || re.Sub[0].Op == syntax.OpAnyCharNotNL
	}
	return re.Op == syntax.OpEmptyMatch
}

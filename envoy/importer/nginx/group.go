package nginx

import (
	"regexp"
	"regexp/syntax"

	"github.com/corsgate/corsgate/policy/prove"
)

// isWholeGroup reports whether group i of expr is the whole text whenever expr matches what a
// page has as its origin.
func isWholeGroup(expr string, i int) bool {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return false
	}
	var begin, end bool
	for {
		begins, ends := prove.Anchors(re)
		begin, end = begin || begins, end || ends
		switch re.Op {
		case syntax.OpCapture:
			if re.Cap == i {
				return (begin || hasScheme.MatchString(re.Sub[0].String())) && end
			}
			re = re.Sub[0]
		case syntax.OpConcat:
			if re = onlyWide(re.Sub); re == nil {
				return false
			}
		default:
			return false
		}
	}
}

// hasScheme finds what begins with a scheme of pages, which an origin has once: at its beginning.
var hasScheme = regexp.MustCompile(`^(\(\?[a-z-]*:)*https?\??://`)

// onlyWide returns the one of subs that is not an anchor, or nil if there are more.
func onlyWide(subs []*syntax.Regexp) (wide *syntax.Regexp) {
	for _, sub := range subs {
		if isAnchor(sub) {
			continue
		}
		if wide != nil {
			return nil
		}
		wide = sub
	}
	return wide
}

func isAnchor(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpBeginLine, syntax.OpBeginText, syntax.OpEndLine, syntax.OpEndText:
		return true
	}
	return false
}

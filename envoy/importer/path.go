package importer

import (
	"regexp"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
)

// path is a path as a policy may have it, or nearly so.
type path struct {
	source.Path             // not a regex
	listed      source.Path // as the reader has it
	except      []string    // paths that p does not match
	dots        []int       // where any character may stand
}

// start returns what a text begins with that p matches, in lower case if p is compared
// without case.
func (p path) start() string {
	text := p.Text.Text
	if p.Kind == source.Segments {
		text = strings.TrimRight(text, "/")
	}
	if p.Fold {
		text = strings.ToLower(text)
	}
	return text
}

// matches reports whether the path is one that p is about.
func (p path) matches(text string) bool {
	if slices.Contains(p.except, text) {
		return false
	}
	start := p.start()
	text = p.dotted(text, ".")
	if p.Fold {
		text = strings.ToLower(text)
	}
	switch p.Kind {
	case source.StringPath:
		return strings.HasPrefix(text, start)
	case source.ExactPath:
		return text == start
	default:
		return covers(start, text)
	}
}

// covers reports whether a path of a policy covers another one.
func covers(path, text string) bool {
	rest, ok := strings.CutPrefix(text, strings.TrimRight(path, "/"))
	return ok && (rest == "" || rest[0] == '/')
}

// regexTail is the end of a regex over paths that a policy can express, or nearly so.
type regexTail struct {
	tail string
	kind source.PathKind
	// except are the ends of paths that the regex does not match.
	except []string
}

// openTails may stand at the end of each regex, the longest first.
var openTails = []regexTail{
	{`(?:/|$)(.*)`, source.Segments, nil}, {`(?:/|$).*`, source.Segments, nil}, {`(/|$)(.*)`, source.Segments, nil}, {`(/|$).*`, source.Segments, nil}, {`(/.*|$)`, source.Segments, nil},
	{`/?(.*)`, source.StringPath, nil}, {`/?.*`, source.StringPath, nil},
	{`(.*)`, source.StringPath, nil}, {`.*`, source.StringPath, nil}, {`(.+)`, source.StringPath, []string{""}}, {`.+`, source.StringPath, []string{""}},
}

// wholeTails are those of regexes that match the whole path.
var wholeTails = slices.Concat(openTails, []regexTail{
	{`(?:/.*)?`, source.Segments, nil}, {`(/.*)?`, source.Segments, nil}, {`(/(.*))?`, source.Segments, nil}, {`(/.+)?`, source.Segments, []string{"/"}},
	{``, source.ExactPath, nil},
})

// searchTails are those of regexes that are searched for and have a "^" and no "$": any text
// may follow.
var searchTails = slices.Concat(openTails, []regexTail{
	{`(?:/|$)`, source.Segments, nil}, {`(/|$)`, source.Segments, nil},
	{`(?:/.*)?`, source.StringPath, nil}, {`(/.*)?`, source.StringPath, nil}, {`(/(.*))?`, source.StringPath, nil}, {`(/.+)?`, source.StringPath, nil},
	{`/?`, source.StringPath, nil}, {``, source.StringPath, nil},
})

// dotted returns a path with what stands where p takes any character replaced.
func (p path) dotted(text, by string) string {
	for _, at := range p.dots {
		if at < len(text) {
			text = text[:at] + by + text[at+1:]
		}
	}
	return text
}

// readPath reads a path. Of a regex it reads a text with one of the tails.
func readPath(p source.Path) (read path, ok bool) {
	read = path{Path: p, listed: p}
	if p.Kind != source.RegexPath {
		return read, true
	}
	expr, fold := strings.CutPrefix(p.Text.Text, "(?i)")
	read.Fold = p.Fold || fold
	expr, tails, ok := withoutAnchors(expr, p.Search)
	if !ok {
		return read, false
	}
	for _, t := range tails {
		rest, cut := strings.CutSuffix(expr, t.tail)
		literal, dots, plain := plainText(rest)
		if !cut || !plain {
			continue
		}
		read.Kind, read.Text.Text, read.Search, read.dots = t.kind, literal, false, dots
		for _, end := range t.except {
			read.except = append(read.except, literal+end)
		}
		return read, literal == "" || literal[0] == '/'
	}
	return read, false
}

// withoutAnchors returns a regex without its anchors, and how it may end. One that is searched for
// and may match in the middle of a path is not ok.
func withoutAnchors(expr string, search bool) (bare string, tails []regexTail, ok bool) {
	bare, begins := strings.CutPrefix(expr, "^")
	bare, ends := strings.CutSuffix(bare, "$")
	switch {
	case !search || begins && ends:
		return bare, wholeTails, true
	case bare == "/" && !ends: // each path has one
		return "", searchTails, true
	}
	anything := strings.HasPrefix(bare, ".*") || strings.HasPrefix(bare, "(.*)")
	return bare, searchTails, begins || bare == "" || anything && !ends
}

// plainText returns the text that a regex without operators matches, and where its dots are,
// which match any character.
func plainText(expr string) (text string, dots []int, ok bool) {
	var b strings.Builder
	for i := 0; i < len(expr); i++ {
		c := expr[i]
		switch {
		case c == '.':
			dots = append(dots, b.Len())
		case c == '\\' && i+1 < len(expr) && strings.IndexByte(`/.-_~`, expr[i+1]) >= 0:
			i++
			c = expr[i]
		case regexp.QuoteMeta(string(c)) != string(c):
			return "", nil, false
		}
		b.WriteByte(c)
	}
	return b.String(), dots, true
}

// probe is how a path differs from a prefix of whole segments, and witnesses of that: one is
// enough, since other paths that are listed may cover some of them.
type probe struct {
	difference string
	paths      []string
}

// What differs between a path of the source and one of a policy.
const (
	pathAlone   = "in the source it is this path alone, and a policy covers what is below it, too"
	asText      = "the source compares it as text, and a policy covers whole segments"
	leavesOut   = "the source's regex does not match all that begins like that"
	ofAnother   = "in the source another route takes what is below it, and a policy covers both"
	anyAtDot    = "a dot of the source's regex is any character"
	withoutCase = "the source compares it without case, and a policy as it is written"
)

func (p path) probes() (all []probe) {
	text := p.Text.Text
	bare := strings.TrimRight(text, "/")
	switch {
	case p.Kind == source.ExactPath:
		all = []probe{{pathAlone, []string{text}}, {pathAlone, []string{bare + "/x", bare + "/below", bare + "/0"}}}
	case bare == "":
	case p.Kind == source.Segments && bare != text:
		all = []probe{{ofAnother, []string{bare}}}
	case p.Kind != source.StringPath:
	case bare != text:
		all = []probe{{asText, []string{bare}}}
	default:
		all = []probe{{asText, []string{text + "x", text + "-x", text + "0"}}}
	}
	for _, text := range p.except {
		all = append(all, probe{leavesOut, []string{text}})
	}
	if len(p.dots) > 0 {
		all = append(all, probe{anyAtDot, []string{p.dotted(text, "-"), p.dotted(text, "x"), p.dotted(text, "/")}})
	}
	if p.Fold {
		all = append(all, probe{withoutCase, []string{strings.ToUpper(text), strings.ToLower(text)}})
	}
	return all
}

// witnesses returns the paths of all probes, and p's own text.
func (p path) witnesses() []string {
	all := []string{p.Text.Text}
	for _, probe := range p.probes() {
		all = append(all, probe.paths...)
	}
	return all
}

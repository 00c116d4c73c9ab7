package importer

import (
	"cmp"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/prove"
)

// regex translates an entry that matches more than one text. It returns what was meant, if
// the entry is never matched.
func (t *translation) regex(o source.Origin) (meant []string) {
	v, err := t.proofs.of(o.Regex)
	t.null(o)
	leaveFragments(&v)
	below := losesNames(v) && !slices.Equal(v.Patterns, []string{o.Text.Text}) // a glob has the same names
	t.strip(o, &v)
	switch {
	case err != nil:
		return t.unread(o, err)
	case v.Kind == prove.Never:
		t.never(o, "no browser sends an origin like that", o.Meant)
		return o.Meant
	case len(v.Patterns) > maxPatterns:
		t.keepRegex(o, fmt.Sprintf("%d patterns would stand for it, such as %s: ", len(v.Patterns), strconv.Quote(v.Patterns[0])), "write the origins that are meant as patterns, with a star for ports or names, and remove the regex")
	case v.Kind == prove.Equal && slices.Equal(v.Patterns, []string{o.Text.Text}): // a glob
		t.patterns(v.Patterns, o)
		t.tell(source.Kept, o.Text, originsField, "", "")
	case v.Kind == prove.Equal, v.Kind == prove.EqualPlusDefaultPort, v.Kind == prove.EqualButOddNames:
		t.patterns(v.Patterns, o)
		t.tellOrigin(source.Equal, o, "proved to allow the same as "+quoted(v.Patterns)+besides(v), cmp.Or(v.Added, v.Lost), "")
	case v.Kind == prove.NarrowedScheme && isUnanchored(v.Lost):
		t.patterns(v.Patterns, o)
		t.tellOrigin(source.Equal, o, fmt.Sprintf("proved to allow the same pages as %s; the source allows %s, too, which no page has", quoted(v.Patterns), v.Lost), v.Lost, "")
	case t.options.KeepRegexes:
		t.keepRegex(o, "", t.options.keptHint())
	case len(v.Wider) > 0 && t.options.Widen:
		t.patterns(v.Wider, o)
		t.tellOrigin(source.Widened, o, "written as "+quoted(v.Wider)+", which allow "+cmp.Or(added(v), "more")+", too", added(v), "--keep-regexes keeps the regex instead")
	case len(v.Patterns) > 0:
		t.patterns(v.Patterns, o)
		fidelity, hint := source.Narrowed, ""
		if below {
			fidelity, hint = source.Decide, meantBelow(v)
		}
		t.tellOrigin(fidelity, o, fmt.Sprintf("written as %s, which no longer allows %s", quoted(v.Patterns), lost(v)), cmp.Or(v.LostOwn, v.Hole, v.Lost), hint)
	case isMistaken(o, v):
		t.tellOrigin(source.Decide, o, fmt.Sprintf("it is left out: it matches origins such as %s, and not what it looks like", cmp.Or(v.Hole, v.Lost)), cmp.Or(v.Hole, v.Lost),
			"if it was meant to, add "+quoted(o.Meant)+" to allowOrigins")
		return o.Meant
	default:
		t.keepRegex(o, "no pattern allows the same or less: ", instead(o, v))
	}
	return nil
}

// proofs are the verdicts on regexes. The same one is often there for many routes.
type proofs struct {
	known map[prove.Regex]proof
	left  *prove.Budget // for an import
}

// maxProofs bounds the proofs of an import. It takes about ten seconds.
const maxProofs = 10 * prove.MaxWork

func newProofs() *proofs {
	return &proofs{known: map[prove.Regex]proof{}, left: prove.NewBudget(maxProofs)}
}

type proof struct {
	prove.Verdict
	err error
}

func (ps *proofs) of(r prove.Regex) (prove.Verdict, error) {
	p, known := ps.known[r]
	if !known {
		p.Verdict, p.err = ps.left.Within(prove.MaxWork, r)
		ps.known[r] = p
	}
	return p.Verdict, p.err
}

// isUnanchored reports whether an origin has a scheme that only ends in a web page's: a
// regex that is not anchored allows it.
func isUnanchored(origin string) bool {
	scheme, _, _ := strings.Cut(origin, "://")
	bare := strings.TrimSuffix(strings.TrimSuffix(scheme, "s"), "http")
	return bare != "" && bare != strings.TrimSuffix(scheme, "s")
}

// maxPatterns bounds the patterns that stand for one regex.
const maxPatterns = 50

// leaveFragments leaves out patterns of a piece of a name, if the regex allows names of
// others, too: "https://www." of "https://www.*", "https://example" of "example".
func leaveFragments(v *prove.Verdict) {
	if v.Hole == "" || v.Kind != prove.NarrowedOwn && v.Kind != prove.NarrowedForeign {
		return
	}
	v.Patterns = slices.DeleteFunc(slices.Clone(v.Patterns), isFragment)
	if len(v.Patterns) == 0 {
		v.Kind = prove.None
	}
}

func isFragment(pattern string) bool {
	p, err := policy.ParsePattern(pattern)
	if err != nil || p.Form != policy.FormExact && p.Form != policy.FormSubdomain {
		return false
	}
	return p.Host != "localhost" && (!strings.ContainsAny(p.Host, ".:") || strings.HasSuffix(p.Host, "."))
}

// losesNames reports whether patterns have not all the names below the domains that are
// meant. What only an open end allows is not meant: "localhost.localhost" of "localhost.*".
func losesNames(v prove.Verdict) bool {
	lost, err := policy.ParseOrigin(v.LostOwn)
	return err == nil && !slices.ContainsFunc(v.Patterns, func(text string) bool {
		p, err := policy.ParsePattern(text)
		p.Scheme, p.Port = lost.Scheme, policy.AnyPort
		return err == nil && (p.Matches(lost) || strings.HasPrefix(lost.Host, p.Host+".") || p.Host == "localhost")
	})
}

// meantBelow says how to keep names that are at or below a domain that is meant.
func meantBelow(v prove.Verdict) string {
	if len(v.Wider) > 0 {
		return "--widen writes " + quoted(v.Wider) + ", which would allow " + cmp.Or(added(v), "more") + ", too"
	}
	return "if it is meant, add it to allowOrigins; --keep-regexes keeps the regex instead"
}

// strip leaves out what an entry allows only because it is open at an end: http if there are
// credentials and the entry does not say http, and ports if it has none and is not about every host.
func (t *translation) strip(o source.Origin, v *prove.Verdict) {
	if t.options.KeepRegexes || !isNarrowed(v.Kind) {
		return
	}
	if !portInRegex.MatchString(o.Regex.Expr) {
		bare := make([]string, len(v.Patterns))
		for i, p := range v.Patterns {
			bare[i] = strings.TrimSuffix(p, ":*")
			if strings.HasSuffix(p, "://*:*") {
				bare[i] = p // whoever allows every host allows every port
			}
		}
		stripTo(v, bare)
	}
	if t.cors.Credentials && !strings.Contains(strings.ToLower(o.Text.Text), "http") {
		stripTo(v, slices.DeleteFunc(slices.Clone(v.Patterns), isInsecure))
	}
}

func isNarrowed(k prove.Kind) bool {
	return k == prove.NarrowedScheme || k == prove.NarrowedForeign || k == prove.NarrowedOwn
}

// portInRegex finds a colon that is not part of "://", "(?:" or a flag.
var portInRegex = regexp.MustCompile(`(^|[^?s]):([^/\\]|\\[^/]|$)`)

// stripTo replaces the patterns by those of meant, which allow less. If there are none, it
// leaves them.
func stripTo(v *prove.Verdict, meant []string) {
	for _, p := range v.Patterns {
		if len(meant) > 0 && !slices.Contains(meant, p) {
			v.LostOwn = sampleOf(p)
			v.Lost, v.Patterns, v.Kind = v.LostOwn, meant, prove.NarrowedOwn
			return
		}
	}
}

// isInsecure reports whether a pattern needs the opt-in insecure-origins.
func isInsecure(pattern string) bool {
	_, found := policy.Validate([]policy.Spec{{Name: "a", CORS: policy.CORS{AllowOrigins: []string{pattern}, AllowCredentials: true}}})
	return slices.ContainsFunc(found, func(p policy.Problem) bool { return optInOf[p.Code] == policy.OptInInsecureOrigins })
}

// null tells of a regex that matches "null", which corsgate holds against no regex.
func (t *translation) null(o source.Origin) {
	if re, err := o.Regex.Compile(); err == nil && re.MatchString("null") {
		t.tellOrigin(source.Narrowed, o, `it matches "null", too, which every site can send: that is no longer allowed`, "null", `"null" in allowOrigins would keep it, with the opt-in null-origin`)
	}
}

// isMistaken reports whether a regex allows something else than what was meant: a glob, for
// example.
func isMistaken(o source.Origin, v prove.Verdict) bool {
	return len(o.Meant) > 0 && slices.ContainsFunc([]string{v.Lost, v.LostOwn, v.Hole}, func(witness string) bool {
		w, err := policy.ParsePattern(witness)
		return err == nil && !slices.ContainsFunc(o.Meant, func(text string) bool {
			meant, err := policy.ParsePattern(text)
			return err == nil && meant.Covers(w)
		})
	})
}

// unread tells of a regex about which nothing could be proved. It returns what was meant, if
// it cannot be read at all.
func (t *translation) unread(o source.Origin, err error) (meant []string) {
	if _, bad := o.Regex.Compile(); bad != nil {
		hint := "write the origins that are meant as patterns"
		if len(o.Meant) > 0 {
			hint = "if it was meant to, add " + quoted(o.Meant) + " to allowOrigins"
		}
		t.tell(source.Decide, o.Text, originsField, "the regex is left out: "+err.Error(), hint)
		return o.Meant
	}
	t.keepRegex(o, err.Error()+": ", "write the origins that are meant as patterns")
	return nil
}

// besides says how patterns differ that stand for a regex.
func besides(v prove.Verdict) string {
	switch v.Kind {
	case prove.EqualPlusDefaultPort:
		return ", which allow " + v.Added + " besides, with the default port"
	case prove.EqualButOddNames:
		return ", but for names that nobody can register"
	}
	return ""
}

// lost says which origins the patterns do not allow any longer, and whose they are.
func lost(v prove.Verdict) string {
	var all []string
	if v.Hole != "" {
		all = append(all, v.Hole+", which may be somebody else's")
	}
	if v.LostOwn != "" {
		all = append(all, v.LostOwn+", which is at or below a domain that is meant")
	}
	if len(all) == 0 {
		all = append(all, v.Lost+", which is no web page's")
	}
	return strings.Join(all, ", and ")
}

// added returns an origin that wider patterns allow.
func added(v prove.Verdict) string {
	for _, w := range v.Widening {
		if slices.Contains(v.Wider, w.Pattern) {
			return w.Witness
		}
	}
	return v.Added
}

// instead proposes what to write for a regex that is kept.
func instead(o source.Origin, v prove.Verdict) string {
	switch {
	case len(o.Meant) > 0:
		return "if " + quoted(o.Meant) + " is meant, write that, and remove the regex"
	case len(v.Wider) > 0:
		return "--widen writes " + quoted(v.Wider) + ", which would allow " + added(v) + ", too"
	}
	return `write the origins that are meant as patterns, such as "https://*.example.com", and remove the regex`
}

func (t *translation) tellOrigin(f source.Fidelity, o source.Origin, message, origin, hint string) {
	t.tell(f, o.Text, originsField, message, hint)
	t.findings[len(t.findings)-1].Origin = origin
}

func (t *translation) patterns(list []string, o source.Origin) {
	for _, p := range list {
		t.write(p, o.Text)
	}
}

// keepRegex writes a regex, and tells why.
func (t *translation) keepRegex(o source.Origin, because, hint string) {
	if t.spec.Mode == policy.ModeOff && len(o.Meant) > 0 {
		t.patterns(o.Meant, o)
		t.tell(source.Equal, o.Text, originsField, "written as "+quoted(o.Meant)+", which is likely meant: nothing is allowed while the policy is off", "")
		return
	}
	expr := wholeRegex(o.Regex)
	if strings.IndexFunc(expr, func(r rune) bool { return r < ' ' || r >= 0x7f }) >= 0 {
		t.tell(source.Decide, o.Text, originsField, "the regex is left out: no origin has all of its characters", "write the origins that are meant as patterns")
		return
	}
	if !slices.Contains(t.spec.CORS.AllowOriginRegexes, expr) {
		t.spec.CORS.AllowOriginRegexes = append(t.spec.CORS.AllowOriginRegexes, expr)
		t.at[expr] = o.Text
	}
	t.tell(source.Decide, o.Text, originsField, because+"it is kept as a regex, with the opt-in origin-regex", hint)
}

// wholeRegex returns a regex that matches the whole origins that r allows.
func wholeRegex(r prove.Regex) string {
	expr := r.Expr
	begins, ends := false, false
	if tree, err := syntax.Parse(expr, syntax.Perl); err == nil {
		begins, ends = prove.Anchors(tree)
	}
	switch {
	case r.Mode == prove.Whole, begins && ends, r.Mode == prove.Prefix && ends:
	case r.Mode == prove.Prefix || begins:
		expr = "(?:" + expr + ").*"
	case ends:
		expr = ".*(?:" + expr + ")"
	default:
		expr = ".*(?:" + expr + ").*"
	}
	if r.Fold {
		expr = "(?i)" + expr
	}
	return expr
}

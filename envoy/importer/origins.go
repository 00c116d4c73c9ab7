package importer

import (
	"errors"
	"fmt"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/prove"
)

const (
	originsField = "allowOrigins"
	regexesField = "allowOriginRegexes"
)

// origins translates the list of origins.
func (t *translation) origins() {
	for _, o := range t.cors.Origins {
		if o.Any != source.NotAny {
			t.everybody(o)
			return
		}
	}
	var meant []string
	for _, o := range t.cors.Origins {
		meant = append(meant, t.origin(o)...)
	}
	t.fold()
	if len(t.spec.CORS.AllowOrigins)+len(t.spec.CORS.AllowOriginRegexes) == 0 {
		t.nobody(meant)
	}
}

// everybody is for a list with an entry that stands for every origin.
func (t *translation) everybody(o source.Origin) {
	t.write("*", o.Text)
	for _, other := range t.cors.Origins {
		if other.Text != o.Text {
			t.tell(source.Dropped, other.Text, originsField, fmt.Sprintf("%q allows every origin already", o.Text.Text), "")
		}
	}
	switch {
	case o.Any == source.Star && t.cors.Credentials:
		// Fetch, #concept-cors-check: "*" does not do if credentials are included.
		t.spec.CORS.AllowCredentials = false
		t.tell(source.Equal, o.Text, originsField,
			`the source answers "*", which browsers refuse if there are credentials: written without allowCredentials`, "")
	case o.Text.Text == "*":
		t.tell(source.Kept, o.Text, originsField, "", "")
	default:
		t.tell(source.Equal, o.Text, originsField, `it allows every origin: written as "*"`, "")
	}
}

// nobody is for a list of origins of which none is ever matched. The policy is off, as the
// system does nothing either, and has what was meant.
func (t *translation) nobody(meant []string) {
	if t.spec.Mode == policy.ModeOff {
		return
	}
	t.spec.Mode = policy.ModeOff
	for _, text := range meant {
		if p, err := policy.ParsePattern(text); err == nil && p.Form != policy.FormAny && !slices.Contains(t.spec.CORS.AllowOrigins, text) {
			t.spec.CORS.AllowOrigins = append(t.spec.CORS.AllowOrigins, text)
		}
	}
	hint := ""
	if len(t.spec.CORS.AllowOrigins) > 0 {
		hint = `its allowOrigins are what was likely meant: remove the line with mode to allow them`
	}
	message := "the source allows no origin that a browser sends: the policy is off"
	if slices.ContainsFunc(t.cors.Origins, isUnreadable) || slices.ContainsFunc(t.findings, func(f source.Finding) bool { return f.Field == originsField && f.Origin != "" }) {
		message = "no origin is left that is allowed: the policy is off"
	}
	t.tell(source.Decide, source.Text{Place: t.place()}, originsField, message, hint)
}

// isUnreadable reports whether nobody here knows what an entry matches.
func isUnreadable(o source.Origin) bool {
	_, err := o.Regex.Compile()
	return o.Any == source.NotAny && err != nil
}

// place returns where the list of origins begins.
func (t *translation) place() source.Place {
	if len(t.cors.Origins) == 0 {
		return source.Place{}
	}
	return t.cors.Origins[0].Place
}

// write adds a pattern.
func (t *translation) write(pattern string, from source.Text) {
	if _, known := t.at[pattern]; !known {
		t.spec.CORS.AllowOrigins = append(t.spec.CORS.AllowOrigins, pattern)
		t.at[pattern] = from
	}
}

// origin translates one entry. It returns what was meant, if the entry is never matched.
func (t *translation) origin(o source.Origin) (meant []string) {
	text, literal := literalOf(o.Regex)
	if !literal {
		return t.regex(o)
	}
	p, err := policy.ParsePattern(text)
	if exact := err == nil && (p.Form == policy.FormExact || p.Form == policy.FormNull) && p.Port != policy.AnyPort; exact {
		t.write(text, o.Text)
		t.tell(fidelityOf(text, o.Text), o.Text, originsField, asWritten(text, o.Text), "")
		return nil
	}
	reason := "a star has no meaning here"
	meant = o.Meant
	if bad, ok := errors.AsType[*policy.PatternError](err); ok {
		reason = bad.Reason
		if len(meant) == 0 && bad.Mended != "" {
			meant = []string{bad.Mended}
		}
	} else if len(meant) == 0 {
		meant = []string{text}
	}
	t.never(o, reason, meant)
	return meant
}

// fidelityOf and asWritten tell of an entry that is written as pattern.
func fidelityOf(pattern string, entry source.Text) source.Fidelity {
	if pattern == entry.Text {
		return source.Kept
	}
	return source.Equal
}

func asWritten(pattern string, entry source.Text) string {
	if pattern == entry.Text {
		return ""
	}
	return fmt.Sprintf("written as %q", pattern)
}

// never tells of an entry that matches nothing that a browser sends.
func (t *translation) never(o source.Origin, reason string, meant []string) {
	reason = strings.TrimPrefix(reason, "can never match: ")
	if len(meant) == 0 {
		t.tell(source.Dropped, o.Text, originsField, "it never matched: "+reason, "")
		return
	}
	t.tell(source.Decide, o.Text, originsField, "it never matched, and is left out: "+reason,
		"if it was meant to, add "+quoted(meant)+" to allowOrigins")
}

// maxQuoted is how many texts a line quotes.
const maxQuoted = 10

// quoted returns texts in quotes, the first ones of many.
func quoted(texts []string) string {
	list := make([]string, min(len(texts), maxQuoted))
	for i := range list {
		list[i] = strconv.Quote(texts[i])
	}
	if more := len(texts) - maxQuoted; more > 0 {
		list = append(list, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(list, ", ")
}

// literalOf returns the only text that a regex matches, if there is one.
func literalOf(r prove.Regex) (text string, ok bool) {
	tree, err := syntax.Parse(r.Expr, syntax.Perl)
	if err != nil {
		return "", false
	}
	anchors, subs := 0, []*syntax.Regexp{tree}
	if tree.Op == syntax.OpConcat {
		subs = tree.Sub
	}
	for _, sub := range subs {
		switch sub.Op {
		case syntax.OpBeginText, syntax.OpEndText:
			anchors++
		case syntax.OpEmptyMatch:
		case syntax.OpLiteral:
			if sub.Flags&syntax.FoldCase != 0 {
				r.Fold = true
			}
			text += string(sub.Rune)
		default:
			return "", false
		}
	}
	if r.Mode != prove.Whole && anchors < 2 {
		return "", false
	}
	if r.Fold {
		text = foldedOrigin(text)
	}
	return text, true
}

// foldedOrigin returns an origin that is compared without case, as a browser sends it. The
// hosts of apps keep their case, and so does what is not an origin.
func foldedOrigin(text string) string {
	lower := strings.ToLower(text)
	if strings.HasPrefix(lower, "http://") || strings.HasPrefix(lower, "https://") {
		return lower
	}
	return text
}

// fold leaves out what another entry covers.
func (t *translation) fold() {
	var wide []policy.Pattern // those that may cover another one
	for _, text := range t.spec.CORS.AllowOrigins {
		if p, err := policy.ParsePattern(text); err == nil && (p.Form != policy.FormExact || p.Port == policy.AnyPort) {
			wide = append(wide, p)
		}
	}
	var kept []string
	for _, text := range t.spec.CORS.AllowOrigins {
		q, _ := policy.ParsePattern(text)
		by := slices.IndexFunc(wide, func(p policy.Pattern) bool { return p != q && p.Covers(q) })
		if by < 0 {
			kept = append(kept, text)
			continue
		}
		t.unsay(t.at[text])
		t.tell(source.Dropped, t.at[text], originsField, fmt.Sprintf("%q allows it already", wide[by].String()), "")
	}
	t.spec.CORS.AllowOrigins = kept
}

// unsay removes what was told of an entry that did not change.
func (t *translation) unsay(at source.Text) {
	t.findings = slices.DeleteFunc(t.findings, func(f source.Finding) bool {
		return f.Fidelity == source.Kept && f.Field == originsField && f.Place == at.Place && f.Value == at.Text
	})
}

package doctor

import (
	"fmt"
	"slices"
	"strings"

	xds "github.com/cncf/xds/go/xds/type/matcher/v3"
	composite "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/composite/v3"
	metadatamatcher "github.com/envoyproxy/go-control-plane/envoy/extensions/matching/input_matchers/metadata/v3"
	inputs "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/proto"

	"github.com/corsgate/corsgate/policy"
)

// anOrigin is what each matcher of an Origin that is for all of them matches.
const anOrigin = "https://app.example.com"

// askedAboutSome reports a filter whose matcher lets corsgate be asked about some of the
// requests of pages only.
func askedAboutSome(f *facts, report report) {
	for _, m := range f.guarded() {
		for _, fl := range m.with(roleDecide) {
			if what := fl.leavesOut(); what != "" {
				report(policy.Warning, fl.place, what, "requests that it does not match are not decided: their preflights reach the upstream",
					"a matcher of the header origin with safe_regex: {google_re2: {}, regex: .+}, as \"corsgate envoy-config\" prints it")
			}
		}
	}
}

// leavesOut says what a filter's matcher looks at instead of any Origin, or "".
func (fl *filter) leavesOut() string {
	var looksAt []string
	negated, some := false, ""
	walk(fl.config, func(m proto.Message) bool {
		switch m := m.(type) {
		case *composite.ExecuteFilterAction:
			if p := m.GetSamplePercent(); p != nil && !whole(p) {
				some = "sample_percent lets it ask about a share of the requests"
			}
			return false // what stands within is for other rules
		case *xds.Matcher_MatcherList_Predicate:
			negated = negated || m.GetNotMatcher() != nil
		case *xds.Matcher_MatcherList_Predicate_SinglePredicate:
			input, ok := unpack(m.GetInput().GetTypedConfig()).(*inputs.HttpRequestHeaderMatchInput)
			if !ok {
				return true
			}
			name := strings.ToLower(input.GetHeaderName())
			looksAt = append(looksAt, name)
			if name == "origin" && !negated && m.GetValueMatch() != nil && !matchesText(m.GetValueMatch(), anOrigin) {
				some = "its matcher does not match every Origin"
			}
		}
		return true
	})
	if some == "" && looksAt != nil && !slices.Contains(looksAt, "origin") && !slices.Contains(looksAt, ":method") {
		return fmt.Sprintf("its matcher looks at the header %s, and not at origin", looksAt[0])
	}
	return some
}

// matchesText reports whether a matcher of the xds API matches a text, or whether that is
// not known.
func matchesText(m *xds.StringMatcher, text string) bool {
	switch pattern := m.GetMatchPattern().(type) {
	case *xds.StringMatcher_Exact:
		return pattern.Exact == text
	case *xds.StringMatcher_Prefix:
		return strings.HasPrefix(text, pattern.Prefix)
	case *xds.StringMatcher_SafeRegex:
		return wholly(pattern.SafeRegex.GetRegex(), text, true)
	}
	return true
}

// applied are the words by which a decision chooses how the response is edited.
var applied = []policy.Apply{policy.ApplyReplace, policy.ApplyDefer, policy.ApplyPublic, policy.ApplyStrip}

// applyIncomplete reports an apply filter that lacks a way to edit.
func applyIncomplete(f *facts, report report) {
	for _, m := range f.guarded() {
		for _, fl := range m.with(roleApply) {
			if missing := fl.missingWords(); missing != nil {
				report(policy.Error, fl.place, "it has no branch for "+strings.Join(missing, ", "), "answers with such a decision keep the upstream's CORS headers, and get none of corsgate's",
					"the filter corsgate.apply as \"corsgate envoy-config\" prints it")
			}
		}
	}
}

// missingWords returns the words of applied that a filter's matchers do not look for.
func (fl *filter) missingWords() (missing []string) {
	words := fl.words()
	for _, word := range applied {
		if !slices.Contains(words, string(word)) {
			missing = append(missing, string(word))
		}
	}
	return missing
}

// words returns the words of metadata that a filter's matchers look for.
func (fl *filter) words() (list []string) {
	walk(fl.config, func(m proto.Message) bool {
		if c, ok := m.(*metadatamatcher.Metadata); ok {
			list = append(list, c.GetValue().GetStringMatch().GetExact())
		}
		return true
	})
	return list
}

// defaultMissing reports chains in which nothing is noted before corsgate is asked.
func defaultMissing(f *facts, report report) {
	for _, m := range f.guarded() {
		applies, decides := m.with(roleApply), m.with(roleDecide)
		if len(applies) == 0 || len(decides) == 0 || len(m.with(roleDefault)) > 0 || decides[0].notes {
			continue
		}
		report(policy.Warning, decides[0].place, "no set_metadata before it notes \"apply: strip\"", "while corsgate does not answer, the upstream's own CORS headers reach the page",
			"the filter default as \"corsgate envoy-config\" prints it, before the one that asks")
	}
}

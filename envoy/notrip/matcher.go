package notrip

import (
	"regexp"
	"strings"

	core "github.com/cncf/xds/go/xds/core/v3"
	xds "github.com/cncf/xds/go/xds/type/matcher/v3"
	composite "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/composite/v3"
	inputs "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// node is what a matcher does with a request: another matcher, or an action. nil does
// nothing.
type node = *xds.Matcher_OnMatch

// predicate tells requests apart.
type predicate = *xds.Matcher_MatcherList_Predicate

// when is a node for the requests of a predicate.
type when struct {
	is predicate
	do node
}

// first returns the node of the first branch whose predicate holds, else otherwise.
// A branch without a node is left out.
func first(otherwise node, branches ...when) node {
	var list []*xds.Matcher_MatcherList_FieldMatcher
	for _, b := range branches {
		if b.do != nil {
			list = append(list, &xds.Matcher_MatcherList_FieldMatcher{Predicate: b.is, OnMatch: b.do})
		}
	}
	if len(list) == 0 {
		return otherwise
	}
	return nested(&xds.Matcher{
		MatcherType: &xds.Matcher_MatcherList_{MatcherList: &xds.Matcher_MatcherList{Matchers: list}},
		OnNoMatch:   otherwise,
	})
}

// lookup returns the node of the request header's exact value, else otherwise.
func lookup(header string, byValue map[string]node, otherwise node) node {
	if len(byValue) == 0 {
		return otherwise
	}
	return nested(&xds.Matcher{
		MatcherType: &xds.Matcher_MatcherTree_{MatcherTree: &xds.Matcher_MatcherTree{
			Input:    request(header),
			TreeType: &xds.Matcher_MatcherTree_ExactMatchMap{ExactMatchMap: &xds.Matcher_MatcherTree_MatchMap{Map: byValue}},
		}},
		OnNoMatch: otherwise,
	})
}

func nested(m *xds.Matcher) node {
	return &xds.Matcher_OnMatch{OnMatch: &xds.Matcher_OnMatch_Matcher{Matcher: m}}
}

// run returns the node that runs a named chain of filters.
func run(chain string) node {
	return action(chain, &composite.ExecuteFilterAction{FilterChainName: chain})
}

// execute returns the node that runs one filter.
func execute(name string, filter proto.Message) node {
	return action(name, &composite.ExecuteFilterAction{TypedConfig: extension(name, filter)})
}

func action(name string, a *composite.ExecuteFilterAction) node {
	return &xds.Matcher_OnMatch{OnMatch: &xds.Matcher_OnMatch_Action{Action: &core.TypedExtensionConfig{Name: name, TypedConfig: pack(a)}}}
}

// request and response are the values of a header, several lines joined with ",". A
// missing header has no value, and no predicate matches it.
func request(header string) *core.TypedExtensionConfig {
	return &core.TypedExtensionConfig{Name: header, TypedConfig: pack(&inputs.HttpRequestHeaderMatchInput{HeaderName: header})}
}

func response(header string) *core.TypedExtensionConfig {
	return &core.TypedExtensionConfig{Name: header, TypedConfig: pack(&inputs.HttpResponseHeaderMatchInput{HeaderName: header})}
}

func single(input *core.TypedExtensionConfig, m *xds.StringMatcher) predicate {
	return &xds.Matcher_MatcherList_Predicate{MatchType: &xds.Matcher_MatcherList_Predicate_SinglePredicate_{
		SinglePredicate: &xds.Matcher_MatcherList_Predicate_SinglePredicate{
			Input:   input,
			Matcher: &xds.Matcher_MatcherList_Predicate_SinglePredicate_ValueMatch{ValueMatch: m},
		},
	}}
}

// custom is a predicate of a matcher that is an extension.
func custom(input *core.TypedExtensionConfig, name string, m proto.Message) predicate {
	return &xds.Matcher_MatcherList_Predicate{MatchType: &xds.Matcher_MatcherList_Predicate_SinglePredicate_{
		SinglePredicate: &xds.Matcher_MatcherList_Predicate_SinglePredicate{
			Input:   input,
			Matcher: &xds.Matcher_MatcherList_Predicate_SinglePredicate_CustomMatch{CustomMatch: &core.TypedExtensionConfig{Name: name, TypedConfig: pack(m)}},
		},
	}}
}

func equals(header, value string) predicate {
	return single(request(header), &xds.StringMatcher{MatchPattern: &xds.StringMatcher_Exact{Exact: value}})
}

// matches holds if the whole value of a request header matches the RE2 expression.
func matches(header, expression string) predicate { return single(request(header), re2(expression)) }

// maxExpression bounds an expression in bytes, so that Envoy's engine accepts it. The
// engine refuses programs of about 87,000 instructions, and a byte is at most one.
const maxExpression = 16 << 10

// matchesAny holds if the whole value matches one of the expressions.
func matchesAny(header string, expressions []string) predicate {
	var predicates []predicate
	for len(expressions) > 0 {
		size, n := len(expressions[0]), 1
		for n < len(expressions) && size+len(expressions[n]) < maxExpression {
			size += len(expressions[n]) + len("|")
			n++
		}
		predicates = append(predicates, matches(header, strings.Join(expressions[:n], "|")))
		expressions = expressions[n:]
	}
	return or(predicates...)
}

func re2(expression string) *xds.StringMatcher {
	return &xds.StringMatcher{MatchPattern: &xds.StringMatcher_SafeRegex{SafeRegex: &xds.RegexMatcher{
		EngineType: &xds.RegexMatcher_GoogleRe2{GoogleRe2: &xds.RegexMatcher_GoogleRE2{}},
		Regex:      expression,
	}}}
}

// someBytes matches any value except the empty one, even if it is not UTF-8.
const someBytes = `\C+`

func has(header string) predicate { return matches(header, someBytes) }

func not(p predicate) predicate {
	return &xds.Matcher_MatcherList_Predicate{MatchType: &xds.Matcher_MatcherList_Predicate_NotMatcher{NotMatcher: p}}
}

func and(ps ...predicate) predicate {
	if len(ps) == 1 {
		return ps[0]
	}
	return &xds.Matcher_MatcherList_Predicate{MatchType: &xds.Matcher_MatcherList_Predicate_AndMatcher{
		AndMatcher: &xds.Matcher_MatcherList_Predicate_PredicateList{Predicate: ps},
	}}
}

func or(ps ...predicate) predicate {
	if len(ps) == 1 {
		return ps[0]
	}
	return &xds.Matcher_MatcherList_Predicate{MatchType: &xds.Matcher_MatcherList_Predicate_OrMatcher{
		OrMatcher: &xds.Matcher_MatcherList_Predicate_PredicateList{Predicate: ps},
	}}
}

// pack encodes m, always to the same bytes. It fails only if memory runs out, since the
// messages are made here and have no required fields.
func pack(m proto.Message) *anypb.Any {
	a := &anypb.Any{}
	if err := anypb.MarshalFrom(a, m, proto.MarshalOptions{Deterministic: true}); err != nil {
		return nil // verify refuses it
	}
	return a
}

// literal returns an expression that matches only the text.
func literal(text string) string { return regexp.QuoteMeta(text) }

// literals returns such an expression for each text.
func literals(texts []string) []string {
	list := make([]string, len(texts))
	for i, text := range texts {
		list[i] = literal(text)
	}
	return list
}

// anyCase matches a name in any case of its letters. "(?i)" would let "k" match the
// Kelvin sign, too.
func anyCase(name string) string {
	var b strings.Builder
	for _, c := range strings.ToLower(name) {
		if up := strings.ToUpper(string(c)); up != string(c) {
			b.WriteString("[" + string(c) + up + "]")
			continue
		}
		b.WriteString(literal(string(c)))
	}
	return b.String()
}

// anyCases matches one of the names in any case of its letters.
func anyCases(names []string) string {
	list := make([]string, len(names))
	for i, name := range names {
		list[i] = anyCase(name)
	}
	return strings.Join(list, "|")
}

package notrip

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	core "github.com/cncf/xds/go/xds/core/v3"
	xds "github.com/cncf/xds/go/xds/type/matcher/v3"
	composite "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/composite/v3"
	inputs "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/contract"
)

// Asks returns a function that reports whether an Envoy with the resource asks about a
// request, or refuses it because there is nobody to ask. The function reads the compiled
// filter as Envoy does, so that no rule is written here again. The request is as Envoy
// sees it, in UTF-8. If there are several resources, its host must be one of this
// resource. Its Policy is the one that Envoy names.
func (r *Resource) Asks() (func(*policy.Request) (bool, error), error) {
	c := &composite.Composite{}
	if err := r.Filter.UnmarshalTo(c); err != nil {
		return nil, fmt.Errorf("read %s: %w", r.Name, err)
	}
	return func(request *policy.Request) (bool, error) {
		reader := reader{request: request}
		asked := reader.asks(c)
		if reader.err != nil {
			return false, fmt.Errorf("read %s: %w", r.Name, reader.err)
		}
		return asked, nil
	}, nil
}

// reader follows a request through the matchers.
type reader struct {
	request *policy.Request
	err     error // the first one
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// asks reports whether the request ends in a chain that asks: one of c, or of a
// composite within the chain that c gives the request to.
func (r *reader) asks(c *composite.Composite) bool {
	name, _ := r.matcher(c.GetMatcher())
	switch role, _, _ := strings.Cut(name, "."); role {
	case AskChain, AskBlockingChain, contract.NeedsService:
		return true
	}
	for _, filter := range c.GetNamedFilterChains()[name].GetTypedConfig() {
		inner := &composite.Composite{}
		if filter.GetName() == applyFilter || !filter.GetTypedConfig().MessageIs(inner) {
			continue
		}
		if err := filter.GetTypedConfig().UnmarshalTo(inner); err != nil {
			r.fail(err)
			return false
		}
		return r.asks(inner)
	}
	return false
}

// matcher returns the chain that a matcher gives the request to.
func (r *reader) matcher(m *xds.Matcher) (chain string, found bool) {
	for _, branch := range m.GetMatcherList().GetMatchers() {
		if !r.holds(branch.GetPredicate()) {
			continue
		}
		if chain, found = r.node(branch.GetOnMatch()); found {
			return chain, true
		}
	}
	if tree := m.GetMatcherTree(); tree != nil {
		if chain, found = r.node(tree.GetExactMatchMap().GetMap()[r.value(tree.GetInput())]); found {
			return chain, true
		}
	}
	return r.node(m.GetOnNoMatch())
}

func (r *reader) node(n node) (chain string, found bool) {
	if m := n.GetMatcher(); m != nil {
		return r.matcher(m)
	}
	if n.GetAction() == nil {
		return "", false
	}
	a := &composite.ExecuteFilterAction{}
	if err := n.GetAction().GetTypedConfig().UnmarshalTo(a); err != nil {
		r.fail(err)
	}
	return a.GetFilterChainName(), true
}

func (r *reader) holds(p predicate) bool {
	switch is := p.GetMatchType().(type) {
	case *xds.Matcher_MatcherList_Predicate_NotMatcher:
		return !r.holds(is.NotMatcher)
	case *xds.Matcher_MatcherList_Predicate_AndMatcher:
		return !r.any(is.AndMatcher, false)
	case *xds.Matcher_MatcherList_Predicate_OrMatcher:
		return r.any(is.OrMatcher, true)
	}
	single := p.GetSinglePredicate()
	if single.GetCustomMatch() != nil { // namesPolicy
		return r.request.Policy != ""
	}
	value := r.value(single.GetInput())
	return value != "" && r.matches(single.GetValueMatch(), value)
}

// any reports whether one of the predicates is as wanted.
func (r *reader) any(list *xds.Matcher_MatcherList_Predicate_PredicateList, wanted bool) bool {
	for _, p := range list.GetPredicate() {
		if r.holds(p) == wanted {
			return true
		}
	}
	return false
}

// value returns the value of the request header that the input reads, or "" if there is
// none. Envoy translates WebSocket handshakes of HTTP/2 to HTTP/1.
func (r *reader) value(input *core.TypedExtensionConfig) string {
	of := &inputs.HttpRequestHeaderMatchInput{}
	if err := input.GetTypedConfig().UnmarshalTo(of); err != nil {
		r.fail(err)
	}
	return map[string]string{
		authority: r.request.Authority, method: r.request.Method, path: r.request.Path, origin: r.request.Origin,
		requestMethod: r.request.RequestMethod, requestHeaders: r.request.RequestHeaders, requestPrivate: r.request.RequestPrivateNetwork, upgrade: cmp.Or(r.request.Upgrade, r.request.Protocol), secFetchSite: r.request.SecFetchSite,
	}[of.GetHeaderName()]
}

// anyByte matches any byte in an expression.
const anyByte = `\C`

// escaped finds a character with a backslash before it.
var escaped = regexp.MustCompile(`\\.`)

func (r *reader) matches(m *xds.StringMatcher, value string) bool {
	if m.GetSafeRegex() == nil {
		return m.GetExact() == value
	}
	// Go lacks RE2's syntax for any byte. In a text with one character for each byte, any
	// character is the same.
	text := m.GetSafeRegex().GetRegex()
	if strings.Contains(text, anyByte) {
		text, value = bytewise(text), bytewise(value)
	}
	text = escaped.ReplaceAllStringFunc(text, func(s string) string {
		if s == anyByte {
			return `(?s:.)`
		}
		return s
	})
	expression, err := regexp.Compile(`\A(?:` + text + `)\z`)
	if err != nil {
		r.fail(err)
		return false
	}
	return expression.MatchString(value)
}

// bytewise returns a text with one character for each byte of s, of the same number.
func bytewise(s string) string {
	var b strings.Builder
	for i := range len(s) {
		b.WriteRune(rune(s[i]))
	}
	return b.String()
}

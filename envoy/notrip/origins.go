package notrip

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/policy"
)

// maxOdd is the most origins that are known although they are not plain: those of apps,
// IP addresses and short ports.
const maxOdd = 50

// listOddOrigins returns the first of the origins that are listed and not plain, sorted, so
// that Envoy need not ask about them. They are serialized origins, too.
func listOddOrigins(patterns []policy.Pattern) (list []string) {
	for _, pattern := range patterns {
		text := pattern.String()
		if isExact(pattern) && !isPlainOrigin.MatchString(text) && isKnowable(text) {
			list = append(list, text)
		}
	}
	return firstOdd(list)
}

// mergeOddOrigins returns the first of the odd origins of all policies.
func mergeOddOrigins(policies []*compiled) (list []string) {
	for _, p := range policies {
		list = append(list, p.oddOrigins...)
	}
	return firstOdd(list)
}

// firstOdd returns the first maxOdd entries of a list, sorted and each once.
func firstOdd(list []string) []string {
	slices.Sort(list)
	list = slices.Compact(list)
	return slices.Clone(list[:min(len(list), maxOdd)])
}

// isKnowable reports whether it is known which site a listed origin may be. It is not
// known if the host has a trailing dot, which comparing leaves out, or if the scheme is
// the other one with hosts that policies may list (URL, #special-scheme).
func isKnowable(text string) bool {
	o, err := policy.ParseOrigin(text)
	switch {
	case err != nil:
		return false
	case o.Scheme == "http" || o.Scheme == "https":
		return !strings.HasSuffix(o.Host, ".")
	}
	return o.Scheme != "ftp"
}

var isPlainOrigin = regexp.MustCompile(`^(?:` + plainOrigin + `)$`)

// isExact reports whether a pattern is one origin.
func isExact(p policy.Pattern) bool { return p.Form == policy.FormExact && p.Port != policy.AnyPort }

// hasKnownOrigin holds for requests with an Origin that is certainly well-formed.
func (c *compiler) hasKnownOrigin() predicate {
	return matchesAny(origin, append([]string{plainOrigin, "null"}, literals(c.oddOrigins)...))
}

// maxListed is the most exact origins that are written into one expression, which is
// smaller than a map. More origins are in a map, once for the policy.
const maxListed = 16

// byOrigin gives requests with a plain Origin, or with one of the odd ones, to allow if p
// allows it, and to deny if not.
func (c *compiler) byOrigin(p *compiled, allow, deny node) node {
	exact, expressions := map[string]node{}, []string(nil)
	for _, pattern := range p.patterns() {
		switch {
		case pattern.Form == policy.FormNull, p.listsMany && isExact(pattern):
			exact[pattern.String()] = allow
		case pattern.Form != policy.FormAny:
			expressions = append(expressions, expressionOf(pattern))
		}
	}
	// The expressions for plain origins need not be right for others.
	for _, odd := range append([]string{"null"}, c.oddOrigins...) {
		if exact[odd] == nil && p.hasStars {
			exact[odd] = either(p.allows(odd), allow, deny)
		}
	}
	otherwise := either(p.allowsAny(), allow, deny)
	if len(expressions) > 0 {
		otherwise = first(otherwise, when{matchesAny(origin, expressions), allow})
	}
	return lookup(origin, exact, otherwise)
}

func either(is bool, yes, no node) node {
	if is {
		return yes
	}
	return no
}

// allowsAny reports whether p, which is not public, echoes every origin.
func (p *compiled) allowsAny() bool {
	return slices.ContainsFunc(p.patterns(), func(q policy.Pattern) bool { return q.Form == policy.FormAny })
}

// allows reports whether p allows the serialized origin.
func (p *compiled) allows(text string) bool {
	o, err := policy.ParseOrigin(text)
	return err == nil && slices.ContainsFunc(p.patterns(), func(q policy.Pattern) bool { return q.Matches(o) })
}

// expressionOf matches the plain origins that a pattern with a star matches.
func expressionOf(p policy.Pattern) string {
	var host string
	switch p.Form {
	case policy.FormSubdomain:
		host = `[^:]+\.` + literal(p.Host)
	case policy.FormLabel:
		host = literal(p.Prefix) + `[a-z0-9-]+` + literal(p.Suffix) + `\.` + literal(p.Host)
	case policy.FormAnyHost:
		host = `[^:]+`
	default:
		host = literal(p.Host)
	}
	switch {
	case p.Port == policy.AnyPort:
		host += `(?::[0-9]+)?`
	case p.Port > 0:
		host += ":" + strconv.Itoa(p.Port)
	}
	return literal(p.Scheme) + "://" + host
}

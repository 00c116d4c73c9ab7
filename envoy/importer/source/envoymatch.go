package source

import (
	"regexp"

	"github.com/corsgate/corsgate/policy/prove"
)

// EnvoyMatch is how a matcher of Envoy compares a text (type.matcher.v3.StringMatcher).
type EnvoyMatch uint8

// The kinds of an EnvoyMatch.
const (
	EnvoyExact EnvoyMatch = iota
	EnvoyPrefix
	EnvoySuffix
	EnvoyContains
	EnvoyRegex
)

// EnvoyOrigin is an entry of the list of origins of Envoy's cors filter. If a matcher
// matches the text "*", the filter allows every origin, and names it in the answer
// (CorsFilter::isOriginAllowed).
func EnvoyOrigin(text Text, match EnvoyMatch) Origin {
	o := Origin{Text: text, Regex: prove.Regex{Expr: envoyExpr(text.Text, match)}}
	if re, err := o.Regex.Compile(); err == nil && re.MatchString("*") {
		o.Any = Reflected
	}
	return o
}

func envoyExpr(text string, match EnvoyMatch) string {
	literal := regexp.QuoteMeta(text)
	switch match {
	case EnvoyPrefix:
		return literal + "(?s:.*)"
	case EnvoySuffix:
		return "(?s:.*)" + literal
	case EnvoyContains:
		return "(?s:.*)" + literal + "(?s:.*)"
	case EnvoyRegex:
		return text
	default:
		return literal
	}
}

package source

import (
	"regexp"
	"strings"

	"github.com/corsgate/corsgate/policy"
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
	o := Origin{Text: text, Regex: prove.Regex{Expr: envoyExpr(text.Text, match)}, Meant: meant(text.Text)}
	if re, err := o.Regex.Compile(); err == nil && re.MatchString("*") {
		o.Any = Reflected
	}
	return o
}

// glob undoes what makes a regex of a pattern, so that a mixture of both reads as a pattern.
var glob = strings.NewReplacer(`\.`, ".", `\/`, "/", ".*", "*")

// meant returns the pattern that a text with stars looks like.
func meant(text string) []string {
	text = glob.Replace(strings.TrimSuffix(strings.TrimPrefix(text, "^"), "$"))
	scheme, host, _ := strings.Cut(text, "://")
	host, _, _ = strings.Cut(strings.ReplaceAll(host, "**", "*"), "/")
	text = scheme + "://" + host
	if p, err := policy.ParsePattern(text); err != nil || p.Form == policy.FormExact {
		return nil
	}
	return []string{text}
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

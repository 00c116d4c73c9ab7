package prove

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/policy"
)

// nothing is an expression that no text matches.
const nothing = `[^\x00-\x{10ffff}]`

// Expression returns an RE2 expression that matches, as a whole, the origins that any of
// the patterns allows. It never matches the text "*". A "*" among the patterns adds
// nothing to it.
func Expression(patterns []policy.Pattern) string {
	var alternatives []string
	for _, p := range patterns {
		switch p.Form {
		case policy.FormAny:
		case policy.FormNull:
			alternatives = append(alternatives, "null")
		default:
			alternatives = append(alternatives, regexp.QuoteMeta(p.Scheme)+"://"+hostOf(p)+portOf(p))
		}
	}
	if len(alternatives) == 0 {
		return nothing
	}
	return strings.Join(alternatives, "|")
}

// A domain's labels, and an app's host, as policy.ParseOrigin reads them.
const (
	labelExpr = `[a-z0-9_-]+`
	appExpr   = `[A-Za-z0-9!%&+.=_~-]`
	anyHost   = `(?:` + labelExpr + `(?:\.` + labelExpr + `)*\.?|\[[0-9a-f:]+\])`
	anyPort   = `(?::[0-9]+)`
)

func hostOf(p policy.Pattern) string {
	isApp := specials[p.Scheme] == ""
	switch p.Form {
	case policy.FormSubdomain:
		if isApp {
			return strings.Replace(appExpr, ".", "", 1) + appExpr + `*\.` + regexp.QuoteMeta(p.Host)
		}
		return `(?:` + labelExpr + `\.)+` + regexp.QuoteMeta(p.Host)
	case policy.FormLabel:
		return regexp.QuoteMeta(p.Prefix) + `[a-z0-9-]+` + regexp.QuoteMeta(p.Suffix+"."+p.Host)
	case policy.FormAnyHost:
		if isApp {
			return `(?:` + appExpr + `*|\[[0-9a-f:]+\])`
		}
		return anyHost
	}
	return regexp.QuoteMeta(p.Host)
}

func portOf(p policy.Pattern) string {
	switch {
	case p.Port == policy.AnyPort:
		return anyPort + "?"
	case p.Port > 0:
		return ":" + strconv.Itoa(p.Port)
	}
	return ""
}

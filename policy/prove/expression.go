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
	var u union
	for _, p := range patterns {
		switch p.Form {
		case policy.FormAny:
		case policy.FormNull:
			u.add("", "null")
		default:
			star, host := hostOf(p)
			u.add(regexp.QuoteMeta(p.Scheme)+"://"+star, host+portOf(p))
		}
	}
	return u.String()
}

// union is the expression of alternatives. Those with the same head share it, so that
// a machine need not read it once for each.
type union struct {
	heads []string
	tails map[string][]string // :: head
}

func (u *union) add(head, tail string) {
	if u.tails == nil {
		u.tails = map[string][]string{}
	}
	if u.tails[head] == nil {
		u.heads = append(u.heads, head)
	}
	u.tails[head] = append(u.tails[head], tail)
}

func (u *union) String() string {
	if len(u.heads) == 0 {
		return nothing
	}
	var alternatives []string
	for _, head := range u.heads {
		tail := strings.Join(u.tails[head], "|")
		if len(u.tails[head]) > 1 {
			tail = "(?:" + tail + ")"
		}
		alternatives = append(alternatives, head+tail)
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

// hostOf returns the expression of a pattern's host: the labels before a domain, and the
// rest.
func hostOf(p policy.Pattern) (star, rest string) {
	isApp, host := specials[p.Scheme] == "", regexp.QuoteMeta(p.Host)
	switch {
	case p.Form == policy.FormSubdomain && isApp:
		return strings.Replace(appExpr, ".", "", 1) + appExpr + `*\.`, host
	case p.Form == policy.FormSubdomain:
		return `(?:` + labelExpr + `\.)+`, host
	case p.Form == policy.FormLabel:
		return "", regexp.QuoteMeta(p.Prefix) + `[a-z0-9-]+` + regexp.QuoteMeta(p.Suffix) + `\.` + host
	case p.Form == policy.FormAnyHost && isApp:
		return "", `(?:` + appExpr + `*|\[[0-9a-f:]+\])`
	case p.Form == policy.FormAnyHost:
		return "", anyHost
	}
	return "", host
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

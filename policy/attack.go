package policy

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
)

const regexesField = "cors.allowOriginRegexes"

// checkRegexes judges allowOriginRegexes. The attack battery's findings are
// only warnings, since the user opted in to regexes.
func (v *validator) checkRegexes() {
	seen := map[string]bool{}
	for i, expr := range v.s.CORS.AllowOriginRegexes {
		field := at(regexesField, i)
		if seen[expr] {
			v.warn("origin-redundant", field, expr, "the regex is listed twice", "remove one")
			continue
		}
		seen[expr] = true
		v.refuse(OptInOriginRegex, "regex-opt-in", field, expr, "a regex easily allows more than it looks like",
			`write a pattern such as "https://*.example.com"`)
		if v.s.CORS.AllowCredentials {
			v.refuse(OptInAnyOriginWithCredentials, "regex-with-credentials", field, expr,
				"a regex that allows too much would hand out your users' data", "list the origins")
		}
		v.attack(field, expr)
	}
}

// attack compiles a regex, and tries the mistakes that regexes for origins
// often have.
func (v *validator) attack(field, expr string) {
	if strings.IndexFunc(expr, func(r rune) bool { return r < ' ' || r >= 0x7f }) >= 0 {
		v.fail("regex-characters", field, expr, "no origin has such a character", "write printable ASCII; hosts are sent in Punycode")
		return
	}
	// Compile it alone first: `a)|(b` is a regex only between parentheses.
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil || expr == "" {
		reason := "the regex is empty"
		if err != nil {
			reason = "this is not an RE2 regex: " + clip(strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		}
		v.fail("regex-syntax", field, expr, reason, "see https://github.com/google/re2/wiki/Syntax")
		return
	}
	re, err := CompileRegex(expr)
	if err != nil {
		reason, hint := unwrap(err)
		v.fail("regex-syntax", field, expr, reason, hint)
		return
	}
	b := newBattery(expr, re, tree)
	v.checkInsecure(field, expr, b)
	if code, reason, hint := b.run(); code != "" {
		if all, listed := apart(expr, urlRegex); listed && code == "regex-never-matches" {
			hint = all
		}
		v.warn(code, field, expr, reason, hint)
	}
}

// urlRegex returns expr if it is a regex with a scheme, else nothing.
func urlRegex(expr string) string {
	if _, err := CompileRegex(expr); err != nil || !strings.Contains(expr, "://") {
		return ""
	}
	return expr
}

// CompileRegex compiles an entry of allowOriginRegexes. It matches whole origins
// only, whatever anchors the entry has.
func CompileRegex(expr string) (*regexp.Regexp, error) {
	return regexp.Compile(`^(?:` + expr + `)$`)
}

// unwrap says why CompileRegex refuses an expression that is a regex by
// itself.
func unwrap(err error) (reason, hint string) {
	syntaxErr, ok := errors.AsType[*syntax.Error](err)
	switch {
	case ok && syntaxErr.Code == syntax.ErrMissingParen:
		// Nothing else that could escape the parenthesis is a regex by itself.
		return `\Q without \E takes all that follows for text`, `write \E where the text ends`
	case ok:
		return "this is not an RE2 regex here: " + string(syntaxErr.Code), "write a smaller one"
	}
	return err.Error(), "write a smaller one"
}

// checkInsecure refuses a regex that accepts http origins in a policy with
// credentials.
func (v *validator) checkInsecure(field, expr string, b battery) {
	if !v.s.CORS.AllowCredentials {
		return
	}
	if witness := b.insecure(); witness != "" {
		v.refuse(OptInInsecureOrigins, "insecure-origin", field, expr,
			"accepts "+quote(witness)+": whoever is on the network can write pages of this origin and use your users' credentials",
			`begin it with "https://"`)
	}
}

// battery tries origins against a regex.
type battery struct {
	re       *regexp.Regexp
	own      []string // origins that the regex was made for, read from its syntax
	complete bool     // own has one of each alternative
}

func newBattery(expr string, re *regexp.Regexp, tree *syntax.Regexp) battery {
	b := battery{re: re}
	b.own, b.complete = sample(expr, tree)
	b.own = slices.DeleteFunc(b.own, func(text string) bool { return !b.accepts(text) })
	return b
}

// strangers are origins that no regex is meant for.
var strangers = []string{
	"https://attacker.example", "http://attacker.example", "https://attacker.example:8443",
	"https://a.attacker.example", "https://203.0.113.66",
}

// run returns the worst finding. If there is none, code is empty.
func (b battery) run() (code, reason, hint string) {
	if witness := b.first(strangers); witness != "" {
		return "regex-hostile", "accepts every site, such as " + quote(witness), "name the domain that is meant"
	}
	if len(b.own) == 0 {
		return "regex-never-matches", "no origin was found that it matches as a whole",
			`an origin is scheme, host and port, as in "https://app.example.com"; those that anybody can send, as "file://", are listed in allowOrigins`
	}
	for _, o := range b.own {
		if witness := b.first(hijacked(o)); witness != "" {
			return "regex-hostile", "accepts " + quote(witness),
				`write the whole host, and "\." between a star and a domain`
		}
	}
	for _, o := range b.own {
		if witness := b.first(openDots(o)); witness != "" {
			return "regex-open-dot", "accepts " + quote(witness), `write "\." for a dot`
		}
	}
	if !b.complete {
		return "regex-too-big", "the regex is too big to be judged: not each of its alternatives was tried", "write several smaller ones, or list the origins"
	}
	return "", "", ""
}

// accepts reports whether text is an origin and matches.
func (b battery) accepts(text string) bool {
	o, ok := parseOrigin(text)
	return ok && !o.Anybodys() && b.re.MatchString(text)
}

// first returns the first of the texts that is accepted.
func (b battery) first(texts []string) string {
	if i := slices.IndexFunc(texts, b.accepts); i >= 0 {
		return texts[i]
	}
	return ""
}

// insecure returns an http origin that matches and is not of this machine. If
// it finds none, it returns nothing.
func (b battery) insecure() string {
	for _, o := range slices.Concat(strangers, b.own) {
		_, rest, _ := strings.Cut(o, "://")
		witness := "http://" + rest
		if parsed, ok := parseOrigin(witness); ok && !isLocal(parsed.Host) && b.re.MatchString(witness) {
			return witness
		}
	}
	return ""
}

// openDots returns o with a letter instead of each dot of its host, which a
// regex with an unescaped dot accepts.
func openDots(o string) []string {
	var changed []string
	scheme, rest, _ := strings.Cut(o, "://")
	for i := range len(rest) {
		if rest[i] == '.' {
			changed = append(changed, scheme+"://"+rest[:i]+"x"+rest[i+1:])
		}
	}
	return changed
}

// hijacked returns origins like o that somebody else can register. A regex
// that is open at an end of the host accepts them.
func hijacked(o string) []string {
	scheme, rest, _ := strings.Cut(o, "://")
	host, _, _ := splitPort(rest)
	changed := []string{
		scheme + "://" + host + ".attacker.example",
		scheme + "://" + host + "-attacker.example",
		scheme + "://" + host + "attacker.example",
		scheme + "://" + host[:max(0, strings.LastIndexByte(host, '.'))] + ".zip",
	}
	labels := strings.Split(host, ".")
	for _, n := range registrable(labels) {
		changed = append(changed, scheme+"://attacker"+strings.Join(labels[len(labels)-n:], "."))
	}
	return changed
}

// registrable returns how many of the labels may make up the domain that
// somebody registers: two, or three below the likes of "co.uk".
func registrable(labels []string) []int {
	n := len(labels)
	if n < 2 {
		return nil
	}
	switch labels[n-2] {
	case "ac", "co", "com", "edu", "gov", "net", "org":
		return []int{2, min(n, 3)}
	}
	return []int{2}
}

func quote(s string) string { return `"` + clip(s) + `"` }

// parseRegex returns the battery for an entry of allowOriginRegexes. If expr
// is not a regex, ok is false.
func parseRegex(expr string) (b battery, ok bool) {
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return battery{}, false
	}
	re, err := CompileRegex(expr)
	if err != nil {
		return battery{}, false
	}
	return newBattery(expr, re, tree), true
}

// RegexAccepts returns a function that reports whether an entry of
// allowOriginRegexes accepts a text as an origin. It returns nil if expr is not
// a regex.
func RegexAccepts(expr string) (accepts func(text string) bool) {
	b, ok := parseRegex(expr)
	if !ok {
		return nil
	}
	return b.accepts
}

// RegexProbes returns origins that an entry of allowOriginRegexes was likely made
// for, by its syntax, and origins like them that somebody else can have. The
// regex may accept the latter or not. If expr is not a regex, it returns none.
func RegexProbes(expr string) []string {
	b, ok := parseRegex(expr)
	if !ok {
		return nil
	}
	var probes []string
	for _, o := range b.own {
		probes = append(probes, o)
		for _, near := range append(hijacked(o), openDots(o)...) {
			if _, ok := parseOrigin(near); ok {
				probes = append(probes, near)
			}
		}
	}
	return probes
}

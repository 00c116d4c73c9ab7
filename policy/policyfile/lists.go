package policyfile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/policy"
	"golang.org/x/net/idna"
)

// checkList has the rules that need the list of public suffixes or the tables of IDNA.
func checkList(s *policy.Spec, report func(policy.Problem)) {
	c := listCheck{s: s, report: report}
	c.checkHosts()
	c.checkOrigins()
	c.checkRegexes()
	c.checkOptIn()
}

type listCheck struct {
	s      *policy.Spec
	report func(policy.Problem)
	lifted bool // the opt-in for public suffixes was needed
}

func (c *listCheck) add(level policy.Level, code, field, value, reason, hint string) {
	c.report(policy.Problem{Level: level, Code: code, Field: field, Value: value, Reason: reason, Hint: hint})
}

func (c *listCheck) checkHosts() {
	for i, h := range c.s.Hosts {
		if label := badPunycode(h); label != "" {
			c.add(policy.Error, "host-punycode", item("hosts", i), h, fmt.Sprintf("%q is not Punycode that a browser sends", label), "check the spelling")
		}
	}
}

func (c *listCheck) checkOrigins() {
	for i, text := range c.s.CORS.AllowOrigins {
		starred := strings.Contains(text, "*")
		if !starred && !strings.Contains(text, acePrefix) {
			continue
		}
		p, err := policy.ParsePattern(text)
		if err != nil {
			continue // Validate says so
		}
		if label := badPunycode(p.Host); label != "" {
			c.add(policy.Error, "origin-punycode", item("cors.allowOrigins", i), text,
				fmt.Sprintf("can never match: %q is not Punycode that a browser sends", label), "check the spelling")
		} else if p.Form == policy.FormSubdomain || p.Form == policy.FormLabel {
			c.checkSuffix(item("cors.allowOrigins", i), text, p)
		}
	}
}

// checkSuffix refuses a star directly before a public suffix, if browsers send
// credentials.
func (c *listCheck) checkSuffix(field, text string, p policy.Pattern) {
	reason, below := suffixReason(strings.TrimSuffix(p.Host, "."))
	if reason == "" {
		return
	}
	if p.Form == policy.FormSubdomain {
		p.Host = below
	}
	c.refuseSuffix(field, text, reason, p.Hostile(), "write the domain below it that is yours")
}

// checkRegexes is checkSuffix for regexes.
func (c *listCheck) checkRegexes() {
	seen := map[string]bool{}
	for i, expr := range c.s.CORS.AllowOriginRegexes {
		if seen[expr] {
			continue // Validate says so
		}
		seen[expr] = true
		field := item("cors.allowOriginRegexes", i)
		reason, witness, err := regexReason(expr)
		if err != nil {
			c.add(policy.Warning, "regex-too-big", field, expr, err.Error(), "write several smaller ones, or list the origins")
		}
		if reason != "" {
			c.refuseSuffix(field, expr, reason, witness, `write the whole domain that is yours, with "\." before it and for each of its dots`)
		}
	}
}

// refuseSuffix adds an error if browsers send credentials, unless the spec opts in.
// Without credentials it adds a warning.
func (c *listCheck) refuseSuffix(field, text, reason, witness, hint string) {
	reason += ", such as " + strconv.Quote(witness)
	if !c.s.CORS.AllowCredentials {
		c.add(policy.Warning, "public-suffix", field, text, reason, hint)
		return
	}
	c.lifted = true
	if !c.s.OptsIn(policy.OptInPublicSuffix) {
		c.add(policy.Error, "public-suffix", field, text, reason, hint+policy.OrOptIn(policy.OptInPublicSuffix))
	}
}

func (c *listCheck) checkOptIn() {
	i := slices.Index(c.s.Dangerously, policy.OptInPublicSuffix)
	if i >= 0 && !c.lifted {
		c.add(policy.Warning, "opt-in-unused", item("dangerously", i), string(policy.OptInPublicSuffix), "the opt-in lifts nothing here", "remove it")
	}
}

// acePrefix begins a label that is Punycode (RFC 5890, section 2.3.2.1).
const acePrefix = "xn--"

// badPunycode returns the first label of host that looks like Punycode and is not. It is
// empty if there is none.
func badPunycode(host string) string {
	if !strings.Contains(host, acePrefix) {
		return ""
	}
	for label := range strings.SplitSeq(host, ".") {
		if strings.HasPrefix(label, acePrefix) && !isPunycode(label) {
			return label
		}
	}
	return ""
}

// isPunycode reports whether a browser would make label of a Unicode label.
func isPunycode(label string) bool {
	unicode, err := idna.Lookup.ToUnicode(label)
	if err != nil {
		return false
	}
	back, err := idna.Lookup.ToASCII(unicode)
	return err == nil && back == label
}

// withPunycode returns the hint of a problem. For a host that is not ASCII, the hint is
// its Punycode.
func withPunycode(p policy.Problem) string {
	switch p.Code {
	case "origin-non-ascii":
		if text := asciiOrigin(p.Value); text != "" {
			return "did you mean " + strconv.Quote(text) + "?"
		}
	case "host-non-ascii":
		if host := asciiHost(p.Value); host != "" {
			return "did you mean " + strconv.Quote(host) + "?"
		}
	}
	return spelt(p.Hint)
}

// asciiOrigin returns text as a pattern with the host in Punycode. It is empty if there is
// none.
func asciiOrigin(text string) string {
	scheme, rest, _ := strings.Cut(text, "://")
	host, port := rest, ""
	if i := strings.LastIndexByte(rest, ':'); i >= 0 {
		host, port = rest[:i], rest[i:]
	}
	text = strings.ToLower(scheme) + "://" + asciiHost(host) + port
	if _, err := policy.ParsePattern(text); err != nil {
		return ""
	}
	return text
}

// starLabel are the bytes of a label with a star.
const starLabel = "*-_0123456789abcdefghijklmnopqrstuvwxyz"

// asciiHost returns host, which may have a star, in Punycode. It is empty if the host has
// none.
func asciiHost(host string) string {
	labels := strings.Split(host, ".")
	for i, label := range labels {
		if i == 0 && strings.Trim(label, starLabel) == "" && strings.Contains(label, "*") {
			continue
		}
		ascii, err := idna.Lookup.ToASCII(label)
		if err != nil {
			return ""
		}
		labels[i] = ascii
	}
	return strings.Join(labels, ".")
}

// spelt returns a hint, unless that proposes a host with a label that only looks like
// Punycode.
func spelt(hint string) string {
	for label := range strings.FieldsFuncSeq(hint, func(r rune) bool { return strings.ContainsRune(" ./:\"", r) }) {
		if label != acePrefix && badPunycode(label) != "" {
			return fmt.Sprintf("check the spelling of %q", label)
		}
	}
	return hint
}

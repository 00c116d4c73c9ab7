package policyfile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/policy"
	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// checkLists has the rules that need the list of public suffixes or the tables
// of IDNA.
func checkLists(specs []policy.Spec) policy.Problems {
	var found policy.Problems
	for i := range specs {
		c := listCheck{spec: i, s: &specs[i]}
		c.checkHosts()
		c.checkOrigins()
		c.checkOptIn()
		found = append(found, c.found...)
	}
	return found
}

// listCheck is checkLists for one spec.
type listCheck struct {
	spec   int
	s      *policy.Spec
	found  policy.Problems
	lifted bool // the opt-in for public suffixes was needed
}

func (c *listCheck) add(level policy.Level, code, field, value, reason, hint string) {
	c.found = append(c.found, policy.Problem{Level: level, Code: code, Spec: c.spec, Field: field, Value: value, Reason: reason, Hint: hint})
}

func (c *listCheck) checkHosts() {
	for i, h := range c.s.Hosts {
		if label := badPunycode(h); label != "" {
			c.add(policy.Error, "host-punycode", item("hosts", i), h, fmt.Sprintf("%q is no Punycode that a browser sends", label), "check the spelling")
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
				fmt.Sprintf("can never match: %q is no Punycode that a browser sends", label), "check the spelling")
		} else if p.Form == policy.FormSubdomain || p.Form == policy.FormLabel {
			c.checkSuffix(item("cors.allowOrigins", i), text, p.Host)
		}
	}
}

// checkSuffix refuses a star right of which is a public suffix, where browsers
// send credentials.
func (c *listCheck) checkSuffix(field, text, host string) {
	reason := suffixReason(strings.TrimSuffix(host, "."))
	if reason == "" {
		return
	}
	if !c.s.CORS.AllowCredentials {
		c.add(policy.Warning, "public-suffix", field, text, reason, "write the domain below it that is yours")
		return
	}
	c.lifted = true
	if !c.s.OptsIn(policy.OptInPublicSuffix) {
		c.add(policy.Error, "public-suffix", field, text, reason,
			fmt.Sprintf("write the domain below it that is yours, or list %q under dangerously", policy.OptInPublicSuffix))
	}
}

func (c *listCheck) checkOptIn() {
	i := slices.Index(c.s.Dangerously, policy.OptInPublicSuffix)
	if i >= 0 && !c.lifted {
		c.add(policy.Warning, "opt-in-unused", item("dangerously", i), string(policy.OptInPublicSuffix), "the opt-in lifts nothing here", "remove it")
	}
}

// ownNames are top-level names that are nobody's to register: special use (RFC
// 6761, RFC 6762) and private use (ICANN, 2024).
var ownNames = []string{"localhost", "test", "internal", "local"}

// suffixesBelow are domains below which the list has public suffixes by name,
// with one of them, since its API tells only of those that it has by a star;
// and one whose owner gives out names that the list lacks.
var suffixesBelow = map[string]string{
	"amazonaws.com":          "s3.amazonaws.com",
	"compute.amazonaws.com":  "us-east-1.compute.amazonaws.com",
	"windows.net":            "blob.core.windows.net",
	"azure.com":              "eastus.cloudapp.azure.com",
	"run.app":                "a.run.app",
	"on.aws":                 "lambda-url.us-east-1.on.aws",
	"digitaloceanspaces.com": "nyc3.digitaloceanspaces.com",
}

// suffixReason says why the names below host belong to others; empty when
// nothing is known of that.
func suffixReason(host string) string {
	if slices.Contains(ownNames, host[strings.LastIndexByte(host, '.')+1:]) {
		return ""
	}
	if suffix, _ := publicsuffix.PublicSuffix(host); suffix == host {
		return fmt.Sprintf("%q is a public suffix: anybody can have a name below it", host)
	}
	if example := suffixesBelow[host]; example != "" {
		return fmt.Sprintf("it includes %q, below which anybody can have a name", example)
	}
	below := "x." + host
	if suffix, _ := publicsuffix.PublicSuffix(below); suffix == below {
		return fmt.Sprintf("the labels right below %q are public suffixes: anybody can have a name there", host)
	}
	return ""
}

// isStarOverSuffix reports whether pattern is one that checkSuffix speaks of:
// its apex is nobody's site.
func isStarOverSuffix(pattern string) bool {
	p, err := policy.ParsePattern(pattern)
	return err == nil && suffixReason(strings.TrimSuffix(p.Host, ".")) != ""
}

// acePrefix begins a label that is Punycode (RFC 5890, section 2.3.2.1).
const acePrefix = "xn--"

// badPunycode returns the first label of host that looks like Punycode and is
// none; empty when all is well.
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

// withPunycode returns the hint of a problem, which for a host that is not
// ASCII is its Punycode.
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
	return p.Hint
}

// asciiOrigin returns the pattern that text would be with a host in Punycode;
// empty when there is none.
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

// asciiHost returns host, which may have a star, in Punycode; empty when it
// has none.
func asciiHost(host string) string {
	labels := strings.Split(host, ".")
	for i, label := range labels {
		if i == 0 && strings.Contains(label, "*") {
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

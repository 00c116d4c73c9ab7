package policyfile

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy"
)

// regexReason is suffixReason for a regex: it says why others can have an
// origin that the regex accepts, and names one. As a star of a pattern stands
// in a label of the host, so there must be a label that the regex leaves open,
// and what stands right of it, which the regex fixes, is a public suffix.
func regexReason(expr string) (reason, witness string) {
	own, accepts := policy.TryRegex(expr)
	seen := map[string]bool{}
	for _, text := range own {
		o, err := policy.ParseOrigin(text)
		if err != nil || seen[o.Host] || isIPv4(o.Host) {
			continue
		}
		seen[o.Host] = true
		if reason, witness = tenantReason(o, accepts); reason != "" {
			return reason, witness
		}
	}
	return "", ""
}

func isIPv4(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

// tenantReason is regexReason for an origin that the regex was made for. It
// looks at the labels from the right, up to the first that is open.
func tenantReason(o policy.Origin, accepts func(origin string) bool) (reason, witness string) {
	named := func(host string) string {
		o.Host = host
		return o.String()
	}
	host := strings.TrimSuffix(o.Host, ".")
	right := o.Host[len(host):]
	for host != "" {
		left, label := cutLabel(host)
		name := otherName(label, func(name string) bool { return accepts(named(left + name + right)) })
		parent := strings.Trim(right, ".")
		switch {
		case name == "":
			host, right = strings.TrimSuffix(left, "."), "."+label+right
			continue
		case parent == "":
			return "", "" // no suffix is fixed: policy.Validate warns of that
		}
		reason, below := suffixReason(parent)
		if witness = named("attacker." + below); !accepts(witness) {
			witness = named(left + name + right)
		}
		return reason, witness
	}
	return "", ""
}

// cutLabel cuts the last label off host; left keeps its dot.
func cutLabel(host string) (left, label string) {
	dot := strings.LastIndexByte(host, '.')
	return host[:dot+1], host[dot+1:]
}

// otherName returns what else may stand in the place of a label; empty when
// the label is fixed. It is fixed if each part of it is one of some words, and
// open if any letter may stand at a place in it, any digit, or one letter
// thrice: nobody owns all such names.
func otherName(label string, accepts func(name string) bool) string {
	for _, openings := range []func(letter string) []string{anyLetter, anyDigit, thrice} {
		for i := range len(label) {
			letter := label[i : i+1]
			with := func(text string) string { return label[:i] + text + label[i+1:] }
			refuses := func(text string) bool { return !accepts(with(text)) }
			texts := openings(letter)
			if !slices.ContainsFunc(texts, refuses) {
				names := []string{with("attacker"), with("attacker" + letter), with(letter + "attacker"), with(texts[len(texts)-1])}
				return names[slices.IndexFunc(names, accepts)]
			}
		}
	}
	return ""
}

var letters, digits = strings.Split("abcdefghijklmnopqrstuvwxyz", ""), strings.Split("0123456789", "")

func anyLetter(string) []string     { return letters }
func anyDigit(string) []string      { return digits }
func thrice(letter string) []string { return []string{letter + letter + letter} }

// dropFollowing drops what policy.Validate finds that a regex accepts where a
// public suffix is the reason.
func dropFollowing(problems policy.Problems) policy.Problems {
	type place struct {
		spec  int
		field string
	}
	explained := map[place]bool{}
	for _, p := range problems {
		if p.Code == "public-suffix" {
			explained[place{p.Spec, p.Field}] = true
		}
	}
	return slices.DeleteFunc(problems, func(p policy.Problem) bool {
		return (p.Code == "regex-hostile" || p.Code == "regex-open-dot") && explained[place{p.Spec, p.Field}]
	})
}

package policy

import (
	"strconv"
	"strings"
)

// Form is the shape of a Pattern.
type Form uint8

// The forms of a pattern.
const (
	FormExact     Form = iota // https://app.example.com, app://.
	FormLabel                 // https://app-*.example.com: within the leftmost label
	FormSubdomain             // https://*.example.com: one or more labels, never the apex
	FormAnyHost               // https://*
	FormAny                   // *
	FormNull                  // null
)

// AnyPort is a Pattern's Port for "any port or none".
const AnyPort = -1

// Pattern is one parsed entry of allowOrigins. It is comparable; make it with
// ParsePattern.
type Pattern struct {
	Form   Form
	Scheme string
	// Host is the host of FormExact, what stands right of the star's label of
	// FormLabel and FormSubdomain, else empty.
	Host string
	// Prefix and Suffix surround the star of FormLabel within its label.
	Prefix, Suffix string
	// Port is the port, 0 for the scheme's default one, or AnyPort.
	Port int
}

// String returns the pattern as it is written in a policy.
func (p Pattern) String() string {
	switch p.Form {
	case FormAny:
		return "*"
	case FormNull:
		return "null"
	}
	var port string
	switch {
	case p.Port == AnyPort:
		port = ":*"
	case p.Port > 0:
		port = ":" + strconv.Itoa(p.Port)
	}
	return p.Scheme + "://" + p.hostText() + port
}

func (p Pattern) hostText() string {
	switch p.Form {
	case FormLabel:
		return p.Prefix + "*" + p.Suffix + "." + p.Host
	case FormSubdomain:
		return "*." + p.Host
	case FormAnyHost:
		return "*"
	}
	return p.Host
}

// Matches reports whether p allows o. It is the definition of a pattern, read
// label by label; a Set asks an index that must agree with it. A "*" allows
// the origins that it echoes if there are credentials; without them there is
// nothing to match.
func (p Pattern) Matches(o Origin) bool {
	switch p.Form {
	case FormAny:
		return !o.Anybodys()
	case FormNull:
		return false
	}
	if p.Scheme != o.Scheme || p.Port != AnyPort && p.Port != o.Port {
		return false
	}
	return p.matchesHost(o.Host)
}

func (p Pattern) matchesHost(host string) bool {
	switch p.Form {
	case FormExact:
		return host == p.Host
	case FormSubdomain:
		sub, ok := strings.CutSuffix(host, "."+p.Host)
		return ok && sub != "" && sub[0] != '.'
	case FormLabel:
		label, parent, _ := strings.Cut(host, ".")
		return parent == p.Host && p.matchesLabel(label)
	}
	return true
}

func (p Pattern) matchesLabel(label string) bool {
	rest, ok := strings.CutPrefix(label, p.Prefix)
	if !ok {
		return false
	}
	star, ok := strings.CutSuffix(rest, p.Suffix)
	return ok && star != "" && isEvery(star, isStarByte)
}

// Covers reports whether every origin that q matches is one that p matches
// too. It may miss cases between two FormLabel patterns.
func (p Pattern) Covers(q Pattern) bool {
	switch {
	case p == q:
		return true
	case p.Form == FormAny:
		return q.Form != FormNull && !isAnybodys(q.Scheme)
	case p.Form == FormNull, q.Form == FormNull, q.Form == FormAny:
		return false
	case p.Scheme != q.Scheme, p.Port != AnyPort && p.Port != q.Port:
		return false
	}
	return p.coversHost(q)
}

func (p Pattern) coversHost(q Pattern) bool {
	switch p.Form {
	case FormAnyHost:
		return true
	case FormSubdomain:
		return p.coversBelow(q)
	case FormLabel:
		return p.coversLabel(q)
	}
	return q.Form == FormExact && q.Host == p.Host
}

// coversBelow is coversHost of a FormSubdomain, which has not its own apex.
func (p Pattern) coversBelow(q Pattern) bool {
	if q.Host == p.Host {
		return q.Form == FormLabel || q.Form == FormSubdomain
	}
	return strings.HasSuffix(q.Host, "."+p.Host) && q.Host[0] != '.'
}

func (p Pattern) coversLabel(q Pattern) bool {
	switch q.Form {
	case FormExact:
		return p.matchesHost(q.Host)
	case FormLabel:
		return q.Host == p.Host && strings.HasPrefix(q.Prefix, p.Prefix) && strings.HasSuffix(q.Suffix, p.Suffix)
	}
	return false
}
